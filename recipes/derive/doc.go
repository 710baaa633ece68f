// Package derive makes a recipe of a NixOS or Guix system: the disk that it expects.
//
// # What it guarantees
//
// The recipe is a text that recipes.Parse reads, with a comment for each value that says where
// it comes from. The same system and the same wishes give the same text.
package derive
