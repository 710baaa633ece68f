// Package nixlib tests ingot's expressions in the language Nix: nix/, flake.nix and default.nix.
//
// Most tests evaluate: recipes of configurations, the arguments of derivations, the outputs of the
// flake, the variants of the NixOS module, and what is refused. They need nix-instantiate (Debian's
// nix-bin), no store and no nixpkgs: testdata/nixpkgs has as much of it as the expressions call.
//
// TestImages builds an image of every format in the sandbox of real Nix, each twice, and once more
// after nix-store --optimise. GRUB and mksquashfs are Debian's, with their libraries in store items
// of their own, and ingot is the builder. TestNewNix does the same in the chroot with a newer Nix that
// tests/setup/nix makes, with nixbld users; INGOT_NIX_CHROOT names it.
package nixlib
