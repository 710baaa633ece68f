package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/inspect"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/recipes/manifest"
)

func newVerify() *cobra.Command {
	var v verifyFlags
	c := &cobra.Command{
		Use:   "verify WHAT IMAGE | IMAGE --manifest FILE | IMAGE... --digest | FOLDER --trust FILE",
		Short: "compare an image with its recipe, print its digest, or check signatures",
		Long: `Compare an image with what its recipe gives now, byte by byte, and name the owner of
each byte that differs. IMAGE is a disk (raw, qcow2, VDI or VHD, by its name or by a word
behind it, such as IMAGE:qcow2), an ISO, or a netboot folder. The recipe, --format or the
suffix .iso sets the format, as for build.

` + whatHelp + `

--manifest compares an image, or a netboot folder, with its manifest instead, by digests and
without a recipe, and names the partitions and files that differ.

--digest prints the digest of the disk in each image, as a manifest has it: the SHA-256 of
the SHA-256s of its mebibytes. It compares nothing.

--trust checks the signatures of a netboot folder without a recipe, as iPXE's imgverify
does. Each file needs a signature beside it (kernel.sig for kernel) by a certificate for
code signing that is valid now and leads to the trusted one, which has to be in the
signature. Keys are RSA, or ECDSA over P-256 or P-384, which needs iPXE 2.0 or later. ingot
refuses a certificate that names an OCSP server. Since a signature contains no file name,
ingot also compares each file with the signed manifest, and so finds renamed, additional and
missing files. It cannot find out whether the folder is the newest one.

The exit status is 0 if nothing differs, and 6 otherwise.

--json prints an object: target, the differences (offset, bytes, owner, and want and got
for the first byte; in a folder also the file), and more, which is true if there may be
others. Standard error and the exit status stay the same.`,
		Example: `  ingot verify ./result web.qcow2
  ingot verify web.yaml web.qcow2
  ingot verify rescue rescue.iso
  ingot verify web.yaml tftp/web --format netboot
  ingot verify web.qcow2 --manifest web.qcow2.manifest.json
  ingot verify --digest web.qcow2 /dev/sdx
  ingot verify tftp/web --trust root.pem`,
		Args: v.args,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case v.digest:
				return printDigests(c, args, v.quiet)
			case v.manifest != "":
				return v.compareManifest(c, args[0])
			case v.trust != "":
				return v.signatures.check(c, args[0], v.trust)
			}
			return v.compare(c, args[0], args[1])
		},
	}
	v.recipe.add(c)
	v.recipe.addStore(c)
	v.recipe.addKeys(c)
	f := c.Flags()
	f.BoolVar(&v.digest, "digest", false, "print the digests of images, compare nothing")
	f.StringVar(&v.manifest, "manifest", "", "`FILE` with the manifest; compare IMAGE with it")
	f.StringVar(&v.trust, "trust", "", "`FILE` of the trusted certificate, PEM (TRUST=)")
	f.StringVar(&v.signatures.builtIn, "cert", "", "`FILE` of certificates built into iPXE (CERT=)")
	f.BoolVar(&v.signatures.AnyOCSP, "any-ocsp", false, "accept certificates that name an OCSP server")
	f.BoolVarP(&v.quiet, "quiet", "q", false, "print results and errors only")
	f.BoolVar(&v.asJSON, "json", false, "print JSON")
	return c
}

type verifyFlags struct {
	recipe                recipeFlags
	quiet, asJSON, digest bool
	trust, manifest       string
	signatures            signatureFlags
}

// args checks the number of arguments, which depends on the flags.
func (v *verifyFlags) args(c *cobra.Command, args []string) error {
	if err := checkUses(c); err != nil {
		return err
	}
	switch {
	case v.digest:
		return takes(1, -1)(c, args)
	case c.Flags().Changed("trust"), c.Flags().Changed("manifest"):
		return takes(1, 1)(c, args)
	case len(args) == 1:
		return fmt.Errorf("takes WHAT and IMAGE, and 1 argument is given: %s; --manifest FILE compares an image with its manifest, --digest prints the digest of an image, --trust FILE checks the signatures of a netboot folder", printable.Quote(args[0]))
	}
	return takes(2, 2)(c, args)
}

// compare compares an image with what its recipe gives.
func (v *verifyFlags) compare(c *cobra.Command, source, target string) error {
	name, err := diskfile.Parse(target)
	if err != nil {
		return err
	}
	recipe, err := v.recipe.loadFor(c, source, name.Path)
	if err != nil {
		return err
	}
	plan, err := v.recipe.planRecipe(c, recipe, v.quiet, nil, os.TempDir())
	if err != nil {
		return err
	}
	defer plan.Close()
	if parts := plan.Privileged(); len(parts) > 0 {
		return fmt.Errorf("%s has parts that differ in each build, so ingot cannot compare them: %s", source, strings.Join(parts, ", "))
	}
	bar := newProgress(c.ErrOrStderr(), v.quiet, "comparing", plan.Disk.Map.Size())
	o := image.WriteOptions{Progress: bar.add}
	if plan.Files != nil {
		diffs, err := plan.CompareFolder(c.Context(), target, o)
		bar.close()
		return report(c.OutOrStdout(), target, diffs, err, v.asJSON)
	}
	disk, err := inspect.Open(c.Context(), target)
	if err != nil {
		return err
	}
	defer disk.Close()
	diffs, err := image.Compare(c.Context(), plan.Disk.Map, disk.Map, o)
	bar.close()
	return report(c.OutOrStdout(), target, diffs, err, v.asJSON)
}

// differsError says that an image is not what it is compared with.
type differsError struct{ what string }

func (e differsError) Error() string { return e.what }

// report prints the differences, unless there was an error.
func report[D any](out io.Writer, name string, diffs []D, err error, asJSON bool) error {
	more := len(diffs) >= image.CompareLimit // there may be more of them
	switch {
	case err != nil:
		return err
	case asJSON:
		printJSON(out, struct {
			Target      string `json:"target"`
			Differences []D    `json:"differences"`
			More        bool   `json:"more"`
		}{name, append([]D{}, diffs...), more}) // none is [], not null
	case len(diffs) == 0:
		fmt.Fprintf(out, "%s matches its recipe\n", printable.Name(name))
	}
	for _, d := range diffs {
		if !asJSON {
			fmt.Fprintln(out, printable.Name(fmt.Sprint(d)))
		}
	}
	switch places := grammar.Count(len(diffs), "place"); {
	case more:
		return differsError{fmt.Sprintf("%s differs from its recipe in %s and perhaps more", name, places)}
	case len(diffs) > 0:
		return differsError{fmt.Sprintf("%s differs from its recipe in %s", name, places)}
	}
	return nil
}

// printDigests prints the digest of each image as a manifest gives it.
func printDigests(c *cobra.Command, images []string, quiet bool) error {
	for _, name := range images {
		sum, err := digest(c, name, quiet)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.OutOrStdout(), "%s%s  %s\n", manifest.DigestName, sum, printable.Name(name))
	}
	return nil
}

func digest(c *cobra.Command, name string, quiet bool) (image.Sum, error) {
	ctx := c.Context()
	disk, err := inspect.Open(ctx, name)
	if err != nil {
		return image.Sum{}, err
	}
	defer disk.Close()
	bar := newProgress(c.ErrOrStderr(), quiet, "hashing "+filepath.Base(name), disk.Map.Size())
	defer bar.close()
	pieces, err := image.HashPieces(ctx, disk.Map, image.WriteOptions{Progress: bar.add})
	if err != nil {
		return image.Sum{}, fmt.Errorf("%s: %w", name, err)
	}
	return pieces.DigestWithin(ctx)
}
