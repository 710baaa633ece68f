package vm

import (
	"context"
	"time"

	"ingot/internal/keyboard"
)

// A keystroke takes so long, and the next one follows after: an emulated guest reads its
// keyboard now and then only, which keeps 16 bytes.
const (
	keyHeld  = 30 * time.Millisecond
	keyPause = 70 * time.Millisecond
)

// Press presses keys on the machine's keyboard, one stroke after the other.
func (m *Machine) Press(ctx context.Context, strokes []keyboard.Stroke) error {
	type key struct {
		Type string `json:"type"`
		Data string `json:"data"`
	}
	for _, stroke := range strokes {
		keys := make([]key, len(stroke))
		for i, name := range stroke {
			keys[i] = key{"qcode", name}
		}
		if _, err := m.QMP(ctx, "send-key", map[string]any{"keys": keys, "hold-time": keyHeld.Milliseconds()}); err != nil {
			return err
		}
		select {
		case <-time.After(keyHeld + keyPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
