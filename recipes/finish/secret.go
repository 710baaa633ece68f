package finish

import (
	"context"
	"fmt"
	"strings"

	"ingot/internal/input"
	"ingot/recipes"
)

// longestSecret limits what is read from a file, in case it is the wrong one.
const longestSecret = 64 << 10

// readSecret returns a secret.
func readSecret(ctx context.Context, s *recipes.Secret, getenv func(string) (string, bool)) (string, error) {
	text, from := "", "the variable "+s.Environment
	if s.Environment != "" {
		set := false
		if getenv != nil {
			text, set = getenv(s.Environment)
		}
		if !set {
			return "", fmt.Errorf("the variable %s, which has the secret, is not set", s.Environment)
		}
	} else {
		from = s.File.Host
		data, err := input.ReadFile(ctx, from, longestSecret)
		if err != nil {
			return "", err
		}
		text = string(data)
	}
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return "", fmt.Errorf("%s holds no secret: it is empty", from)
	}
	return text, nil
}
