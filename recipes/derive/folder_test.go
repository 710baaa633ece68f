package derive

import (
	"strings"
	"testing"
	"unicode/utf8"

	"ingot/image/fileformat"
	"ingot/recipes"
)

// TestFolderRecipes: what is derived of a folder is a recipe, in every format.
func TestFolderRecipes(t *testing.T) {
	for _, f := range fileformat.That(fileformat.Format.Built) {
		r, err := Folder("files", Wishes{Name: "my files", Format: f.Name})
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		_, err = recipes.Parse("derived", ".", r.Text, []string{"output.format=" + f.Name})
		if wrong := f.Folder; (err != nil) != wrong {
			t.Errorf("%s: %v; want an error: %t\n%s", f.Name, err, wrong, r.Text)
		}
	}
	first, err := Folder("files", Wishes{Name: "x"})
	if err != nil {
		t.Fatal(err)
	}
	want := `# Derived by ingot from the folder files.
name: x # of the folder
disk:
  partitions:
    - name: data
      filesystem: ext4
      label: x # of the folder's name
      size: fit # as small as the files allow; fit+1GiB leaves space to write
      contents:
        from: files # owners are root, times the epoch; times: keep takes over the folder's
        modes: keep
`
	if got := string(first.Text); got != want {
		t.Errorf("the recipe is\n%s\nwant\n%s", got, want)
	}
}

// TestFolderLabels: a label is made of any folder's name, as each file system has them.
func TestFolderLabels(t *testing.T) {
	for _, c := range []struct{ name, format, want string }{
		{"data", "raw", "label: data "}, {"data", "fat", "label: DATA "}, {"data", "iso", "volume: data "},
		{"My Photos, 2024!", "ext4", "label: My_Photos_2024 "}, {"My Photos, 2024!", "fat", "label: MY_PHOTOS_2 "}, {"My Photos, 2024!", "iso", "volume: My_Photos_2024 "},
		{"Übergrößenträger", "ext4", "label: Übergrößentr "}, {"Übergrößenträger", "iso", "volume: bergr_entr_ger "},
		{strings.Repeat("long", 20), "iso", "volume: " + strings.Repeat("long", 8) + " "}, {strings.Repeat("long", 20), "erofs", "label: longlonglonglon "},
		{"...", "ext4", "name: data "}, {"日本語", "iso", "format: iso"}, {"日本語", "ext4", "label: 日本語 "},
		{"a\nb: c\x1b", "ext4", "label: a_b_c "}, {"# x", "raw", "label: x "}, {"\xff\xfe", "raw", "name: data "}, {"", "raw", "name: data "}, {"true", "raw", `label: "true" `},
	} {
		r, err := Folder("/files", Wishes{Name: c.name, Format: c.format})
		if err != nil {
			t.Errorf("%q: %v", c.name, err)
			continue
		}
		if !strings.Contains(string(r.Text), c.want) {
			t.Errorf("%q as %s:\n%s\nwant %s", c.name, c.format, r.Text, c.want)
		}
		if _, err := recipes.Parse("derived", ".", r.Text, nil); err != nil {
			t.Errorf("%q as %s: %v\n%s", c.name, c.format, err, r.Text)
		}
	}
}

// FuzzFolder derives recipes of folders of any name, which are recipes.
func FuzzFolder(f *testing.F) {
	f.Add("data", "data", "iso")
	f.Add("../x y", "Ü: \x1b", "fat")
	f.Fuzz(func(t *testing.T, dir, name, format string) {
		if dir == "" || strings.ContainsRune(dir, 0) || !utf8.ValidString(dir) {
			return
		}
		r, err := Folder(dir, Wishes{Name: name, Format: format})
		if err != nil {
			t.Fatalf("Folder(%q, %q, %q) = %v", dir, name, format, err)
		}
		if _, err := recipes.Parse("derived", ".", r.Text, nil); err != nil && format != "netboot" {
			t.Errorf("Folder(%q, %q, %q): %v\n%s", dir, name, format, err, r.Text)
		}
	})
}
