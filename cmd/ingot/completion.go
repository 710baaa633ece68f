package main

import (
	"io"

	"github.com/spf13/cobra"
)

// shells are those for which there is a completion script.
var shells = []string{"bash", "fish", "powershell", "zsh"}

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "print the completion script of a shell",
		Long: `Print the script with which a shell completes ingot's verbs and flags: bash, fish,
powershell or zsh. The script for bash needs the package bash-completion, that for zsh compinit.`,
		Example: `  source <(ingot completion bash)
  ingot completion bash > ~/.local/share/bash-completion/completions/ingot
  ingot completion fish > ~/.config/fish/completions/ingot.fish
  ingot completion zsh > "${fpath[1]}/_ingot"`,
		Args:      takes(1, 1),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			if err := oneOf("completion", args[0], shells...); err != nil {
				return err
			}
			root := c.Root()
			write := map[string]func(io.Writer) error{
				"bash":       func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
				"fish":       func(w io.Writer) error { return root.GenFishCompletion(w, true) },
				"powershell": root.GenPowerShellCompletionWithDesc,
				"zsh":        root.GenZshCompletion,
			}
			return write[args[0]](c.OutOrStdout())
		},
	}
}
