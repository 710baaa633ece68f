package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"ingot/internal/grammar"
	"ingot/partition"
	"ingot/recipes/manifest"
	"ingot/storedb"
)

// Summary describes a plan for people and programs.
type Summary struct {
	Name       string             `json:"name"`
	Table      string             `json:"table"`
	Format     string             `json:"format"`
	Size       int64              `json:"size"`
	Data       int64              `json:"data"`
	Partitions []SummaryPartition `json:"partitions"`
	Raw        []SummaryRaw       `json:"raw,omitempty"`
	Closure    SummaryClosure     `json:"closure"`
	Boot       SummaryBoot        `json:"boot"`
	Stages     []SummaryStage     `json:"stages"`
	Warnings   []string           `json:"warnings,omitempty"`
	// Privileged are the parts that are made in a virtual machine, and NotReproducible
	// those that have other bytes every time.
	Privileged      []string `json:"privileged,omitempty"`
	NotReproducible []string `json:"notReproducible,omitempty"`
}

// SummaryPartition is one partition of a [Summary].
type SummaryPartition struct {
	Number     int    `json:"number"`
	Name       string `json:"name"`
	Type       string `json:"type"`
	GUID       string `json:"guid,omitempty"`
	Start      int64  `json:"start"`
	Size       int64  `json:"size"`
	Data       int64  `json:"data"`
	Filesystem string `json:"filesystem,omitempty"`
	Label      string `json:"label,omitempty"`
	UUID       string `json:"uuid,omitempty"`
	// Asked is the size as the recipe has it: "fit+64MiB".
	Asked    string           `json:"asked"`
	Contents *SummaryContents `json:"contents,omitempty"`
}

// SummaryRaw is bytes outside of partitions.
type SummaryRaw struct {
	Name  string `json:"name"`
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
}

// SummaryClosure is the store of a [Summary].
type SummaryClosure struct {
	manifest.Closure
	Largest []SummaryItem `json:"largest,omitempty"`
}

// SummaryItem is a store path and the size of its NAR.
type SummaryItem struct {
	Path    string `json:"path"`
	NarSize int64  `json:"narSize"`
}

// SummaryBoot is the boot loader of a [Summary].
type SummaryBoot struct {
	Platforms []string       `json:"platforms,omitempty"`
	CoreSize  int64          `json:"coreSize,omitempty"`
	Timeout   int            `json:"timeout"`
	Entries   []SummaryEntry `json:"entries,omitempty"`
}

// SummaryEntry is one entry of the menu.
type SummaryEntry struct {
	Submenu   string   `json:"submenu,omitempty"`
	Title     string   `json:"title"`
	Kernel    string   `json:"kernel"`
	Initrd    []string `json:"initrd,omitempty"`
	Arguments string   `json:"arguments"`
}

// SummaryStage is one step on the way to the image.
type SummaryStage struct {
	Name string `json:"name"`
	What string `json:"what"`
}

// Summary returns the plan's description, with the largest store paths, and of each
// partition the largest files beside the store.
func (p *Plan) Summary(largest int) Summary {
	s := Summary{
		Name: p.Recipe.Name, Table: p.table(), Format: p.Recipe.Output.Format,
		Size: p.Disk.Map.Size(), Data: p.Data(), Boot: p.boot.summary(), Warnings: p.Warnings,
		Closure: SummaryClosure{Closure: p.Closure}, Privileged: p.Privileged(), NotReproducible: p.notReproducible(),
	}
	for i, d := range p.Disk.Partitions {
		part := SummaryPartition{
			Number: d.Number, Name: d.Name, Type: d.Type, GUID: d.GUID, Start: d.Start, Size: d.Size,
			Filesystem: p.Recipe.FilesystemOf(i), Label: d.Label, UUID: d.UUID,
			Asked: cmp.Or(p.Recipe.Disk.Partitions[i].Size.Text, "fit"), Contents: p.contents[i].cut(largest),
		}
		if d.Content != nil {
			part.Data = d.Content.Allocated(1)
		}
		s.Partitions = append(s.Partitions, part)
	}
	for _, r := range p.Disk.Raw {
		s.Raw = append(s.Raw, SummaryRaw{r.Name, r.Start, r.Content.Size()})
	}
	items := slices.Clone(p.items)
	slices.SortStableFunc(items, func(a, b *storedb.Item) int { return cmp.Compare(b.NarSize, a.NarSize) })
	for _, it := range items[:min(largest, len(items))] {
		s.Closure.Largest = append(s.Closure.Largest, SummaryItem{it.Path, it.NarSize})
	}
	s.Stages = p.stages()
	return s
}

func (p *Plan) stages() []SummaryStage {
	size := partition.FormatBytes
	stages := []SummaryStage{
		{"resolve", grammar.Count(p.Closure.Paths, "store path")},
		{"assemble", p.parts()},
		{"lay out", fmt.Sprintf("%s of %s", p.laidOut(), size(p.Disk.Map.Size()))},
	}
	if b := p.boot.summary(); len(b.Platforms) > 0 {
		stages = append(stages, SummaryStage{"boot loader", fmt.Sprintf("GRUB for %s, %s", strings.Join(b.Platforms, ", "), grammar.Count(len(b.Entries), "entry"))})
	}
	for _, part := range p.Privileged() {
		stages = append(stages, SummaryStage{"virtual machine", part + ": not reproducible"})
	}
	return append(stages, SummaryStage{"emit", fmt.Sprintf("%s, %s of data", p.Recipe.Output.Format, size(p.Data()))})
}

// NoTable is the table in the summary of a file system without one.
const NoTable = "none"

// table names the partition table, "iso" where there is none but the one over the medium's own
// bytes, or "none".
func (p *Plan) table() string {
	if p.Recipe.IsISO() {
		return "iso"
	}
	if p.Files != nil {
		return p.Recipe.Output.Format
	}
	if p.Recipe.IsVolume() {
		return NoTable
	}
	return p.Disk.Kind.String()
}

// laidOut is what the layout makes.
func (p *Plan) laidOut() string {
	if p.Recipe.IsVolume() {
		return p.Recipe.FilesystemOf(0)
	}
	return p.table()
}

// parts counts the trees.
func (p *Plan) parts() string {
	switch {
	case p.Recipe.IsISO() || p.Recipe.IsVolume():
		return "1 volume"
	case p.Files != nil:
		return grammar.Count(len(p.Files), "file")
	}
	return grammar.Count(len(p.Disk.Partitions), "partition")
}

func (b *boot) summary() SummaryBoot {
	s := SummaryBoot{Platforms: b.names, Timeout: b.menu.Timeout}
	if b.Disk != nil {
		s.CoreSize = b.Disk.Size()
	}
	for _, e := range b.menu.Entries {
		s.Entries = append(s.Entries, SummaryEntry{e.Submenu, e.Title, e.Kernel, e.Initrd, strings.Join(e.Arguments, " ")})
	}
	return s
}
