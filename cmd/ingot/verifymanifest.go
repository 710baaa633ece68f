package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"ingot/image"
	"ingot/inspect"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/recipes/manifest"
	"ingot/recipes/netboot"
)

// compareManifest compares an image with its manifest: by digests, without a recipe.
func (v *verifyFlags) compareManifest(c *cobra.Command, target string) error {
	m, err := manifest.Read(c.Context(), v.manifest)
	if err != nil {
		return err
	}
	differences, err := v.manifestDifferences(c, m, target)
	if err != nil {
		return err
	}
	name := printable.Name(target)
	if v.asJSON {
		printJSON(c.OutOrStdout(), struct {
			Target      string                `json:"target"`
			Differences []manifest.Difference `json:"differences"`
		}{target, append([]manifest.Difference{}, differences...)}) // none is [], not null
	}
	switch {
	case len(differences) == 0 && !v.asJSON:
		fmt.Fprintf(c.OutOrStdout(), "%s matches its manifest\n", name)
	case len(differences) > 0 && !v.asJSON:
		for _, d := range differences {
			fmt.Fprintln(c.OutOrStdout(), printable.Name(d.String()))
		}
	}
	if len(differences) > 0 {
		return differsError{fmt.Sprintf("%s differs from its manifest in %s", target, grammar.Count(len(differences), "part"))}
	}
	return nil
}

func (v *verifyFlags) manifestDifferences(c *cobra.Command, m *manifest.Manifest, target string) ([]manifest.Difference, error) {
	if info, err := os.Stat(target); err == nil && info.IsDir() {
		list, err := m.CompareFolder(c.Context(), target, func(name string) bool {
			return name == netboot.ManifestFile || strings.HasSuffix(name, netboot.SignatureSuffix)
		}, image.WriteOptions{})
		return list, within(v.manifest, err)
	}
	disk, err := inspect.Open(c.Context(), target)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	bar := newProgress(c.ErrOrStderr(), v.quiet, "hashing", disk.Map.Size())
	defer bar.close()
	list, err := m.CompareDisk(c.Context(), disk.Map, image.WriteOptions{Progress: bar.add})
	return list, within(v.manifest, err)
}

// within names the manifest in an error.
func within(name string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}
