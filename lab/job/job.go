// Package job runs one command in a machine of its own: it copies the command's files into
// the guest, and its results out.
//
//	j := &job.Job{Machine: helper.Options{Kernel: k}, Command: session.Command{Argv: argv}, Output: "result.tar"}
//	if err := j.Check(); err != nil { … }   // before anything is planned
//	err := j.Run(ctx)
//
// Results get their places only when all are there, and replace files by the rules of all
// outputs ([image.Output]). The guest is not trusted: a folder
// of the host is opened before it starts, and one that leads elsewhere afterwards is refused.
package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ingot/guest/wire"
	"ingot/lab/disks"
	"ingot/vm"
	"ingot/vm/helper"
	"ingot/vm/run"
	"ingot/vm/session"
)

// A Job is a command, the machine that it runs in, and the files that it has to do with.
type Job struct {
	Machine helper.Options
	Command session.Command
	// Terminal, where it is one, is given to the command; Kind is what TERM says of it. Without
	// it, the command has the streams of Command.
	Terminal *os.File
	Kind     string

	Shares     []vm.Share    // folders that the guest has at wire.ShareDir
	Exchange   string        // a folder that is copied to /tmp/xchg before, and back afterwards
	Bring      []string      // files that are copied to /tmp/xchg
	Output     string        // the file that gets the one result in /tmp/xchg, or a folder for all
	NewDisks   []disks.New   // behind those of Machine
	EmptyDisks []run.Empty   // behind these
	Timeout    time.Duration // 0 is never

	outputDir os.FileInfo // that Output lies in when the command begins
	exchange  *os.File
	guest     *helper.VM
	lost      map[string]bool // notes about what was left out of files
}

// An OptionError is a mistake in a part of a job.
type OptionError struct {
	Option string // "output" or "xchg"
	Err    error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }
func (e *OptionError) Unwrap() error { return e.Err }

// guestXchg is the guest's folder of files that are copied.
const guestXchg = "/tmp/xchg"

// Check returns why the files of a job cannot be copied, before anything is planned.
// It leaves nothing. Run takes for granted that it was called.
func (j *Job) Check() error {
	if j.Exchange != "" {
		info, err := os.Stat(j.Exchange)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a folder", j.Exchange)
		}
		if err != nil {
			return &OptionError{"xchg", err}
		}
	}
	if j.Output == "" {
		return nil
	}
	var err error
	if j.outputDir, err = checkResult(j.Output); err != nil {
		return &OptionError{"output", err}
	}
	return nil
}

// prepared is the machine with the shares and the memory that the files need.
func (j *Job) prepared() helper.Options {
	o := j.Machine
	o.Machine.Disks = slices.Clone(o.Machine.Disks)
	// QEMU's own -m would not agree with the file that the memory is in then.
	o.Machine.OpenMemory = (j.Exchange != "" || j.Output != "") && !slices.Contains(o.Machine.Args, "-m")
	// A folder is shared by what the guest's kernel knows. If it knows nothing, it is copied.
	if kind, ok := helper.ShareKind(o.Kernel); ok {
		for _, share := range j.Shares {
			share.Kind = kind
			o.Machine.Shares = append(o.Machine.Shares, share)
		}
	}
	return o
}

// QEMU returns the command line with which Run would start the machine.
func (j *Job) QEMU() ([]string, error) {
	o := j.prepared()
	o.Machine.Disks = append(o.Machine.Disks, disks.Planned(j.NewDisks)...)
	for i := range j.EmptyDisks { // in place of the sockets that a start would make
		o.Machine.Disks = append(o.Machine.Disks, vm.Disk{Path: fmt.Sprintf("nbd+unix:///?socket=empty%d", i)})
	}
	return o.Command()
}

// Run does all of it. Disks that were made for the command stay if it succeeds.
func (j *Job) Run(ctx context.Context) error {
	if j.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, j.Timeout, &session.TimeoutError{What: "the command did not end", After: j.Timeout})
		defer cancel()
	}
	made, err := disks.Make(ctx, j.NewDisks, j.say)
	if err != nil {
		return err
	}
	defer made.Discard()
	o := j.prepared()
	o.Machine.Disks = append(o.Machine.Disks, made.Disks...)
	for i, empty := range j.EmptyDisks {
		disk, err := empty.Serve(ctx, i)
		if err != nil {
			return err
		}
		defer disk.NBD.Close()
		o.Machine.Disks = append(o.Machine.Disks, disk)
	}
	if j.Exchange != "" {
		// A guest that has a folder around it as one of Shares may put a link in its place.
		if j.exchange, err = os.Open(j.Exchange); err != nil {
			return &OptionError{"xchg", err}
		}
		defer j.exchange.Close()
	}
	j.lost = map[string]bool{}
	if j.guest, err = helper.Start(ctx, o); err != nil {
		return err
	}
	defer j.guest.Kill()
	if err := j.execute(ctx); err != nil {
		return err
	}
	if err := j.guest.Close(); err != nil {
		return err
	}
	return made.Keep()
}

func (j *Job) say(note string) {
	if j.Machine.Machine.Warn != nil {
		j.Machine.Machine.Warn(note)
	}
}

// execute copies files in, runs the command, and copies its results out.
func (j *Job) execute(ctx context.Context) error {
	before, err := j.bring(ctx)
	if err != nil {
		return err
	}
	err = j.command(ctx)
	var exit *session.ExitError
	var memory *session.OutOfMemoryError
	if err != nil && !errors.As(err, &exit) && !(errors.As(err, &memory) && memory.Result.Status != 0) {
		return err
	}
	return errors.Join(err, j.fetch(ctx, before, err == nil))
}

// command runs it, on the terminal if there is one.
func (j *Job) command(ctx context.Context) error {
	terminal, err := session.OpenTerminal(j.Terminal)
	if err != nil {
		return err
	}
	if terminal == nil {
		_, err = j.guest.Exec(ctx, j.Command)
		return err
	}
	defer terminal.Restore()
	_, err = j.guest.OnTerminal(ctx, j.Command, terminal, j.Terminal, j.Kind)
	return err
}

// bring gives the guest its files. It returns the names of those in /tmp/xchg.
func (j *Job) bring(ctx context.Context) (names map[string]bool, err error) {
	names = map[string]bool{}
	if err := j.share(ctx); err != nil {
		return nil, err
	}
	for _, file := range j.Bring {
		names[filepath.Base(file)] = true
		if _, err := j.guest.CopyIn(ctx, file, guestXchg); err != nil {
			return nil, err
		}
	}
	if j.exchange == nil {
		return names, nil
	}
	entries, err := j.exchange.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	for _, name := range entries {
		names[name] = true
	}
	return names, j.mention(j.guest.CopyInFolder(ctx, j.exchange, guestXchg))
}

// mention says once what was left out of files: Exchange and Output get the same.
func (j *Job) mention(lost []string, err error) error {
	for _, what := range lost {
		if !j.lost[what] {
			j.lost[what] = true
			j.say("left out: " + what)
		}
	}
	return err
}

// share brings the shared folders to their places.
func (j *Job) share(ctx context.Context) error {
	for _, share := range j.guest.Shares() {
		if err := j.guest.Mount(ctx, share, wire.ShareDir(share.Tag)); err != nil {
			return err
		}
	}
	for _, share := range j.copied() {
		back := " and back after it; what the command deletes stays"
		if share.ReadOnly {
			back = ""
		}
		j.say(fmt.Sprintf("%s: this kernel can neither use virtiofs nor 9p, so it is copied to %s before the command%s", share.Dir, wire.ShareDir(share.Tag), back))
		dir, err := os.Open(share.Dir)
		if err != nil {
			return err
		}
		err = j.mention(j.guest.CopyInFolder(ctx, dir, wire.ShareDir(share.Tag)))
		dir.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// copied are the shared folders that the guest's kernel cannot mount.
func (j *Job) copied() []vm.Share {
	if len(j.guest.Shares()) > 0 {
		return nil
	}
	return j.Shares
}

// fetch copies the results of the command.
func (j *Job) fetch(ctx context.Context, before map[string]bool, succeeded bool) error {
	for _, share := range j.copied() {
		if share.ReadOnly {
			continue
		}
		if err := j.mention(j.guest.CopyOut(ctx, wire.ShareDir(share.Tag), share.Dir)); err != nil {
			return err
		}
	}
	if j.exchange != nil {
		if err := j.mention(j.guest.CopyOutTo(ctx, guestXchg, j.exchange)); err != nil {
			return err
		}
	}
	if j.Output == "" || !succeeded {
		return nil
	}
	return j.fetchResult(ctx, before)
}

// fetchResult moves the results to Output: the one file, by Guix's rule, or all.
func (j *Job) fetchResult(ctx context.Context, before map[string]bool) (err error) {
	r, err := newResult(j.Output, j.outputDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.staged.Close(), r.stage.Close()) }()
	if err := j.mention(j.guest.CopyOutTo(ctx, guestXchg, r.staged)); err != nil {
		return err
	}
	if len(j.guest.Shares()) > 0 {
		// The results may lie in the folder that is shared: the guest ends before they get
		// their places, for it could move other files to their names meanwhile.
		if err := j.guest.Close(); err != nil {
			return err
		}
		if err := r.stage.Holds(stagedResult, r.staged); err != nil {
			return &OptionError{"output", err}
		}
	}
	return r.put(before)
}
