// Package ext4 lays an image.Tree out as an ext4 file system.
package ext4
