package recipes

// defaultArch is the architecture where a recipe names none: not the host's, for the
// image is the same wherever it is built.
const defaultArch = "x86_64"

// goArches are the architectures that a recipe may name, with Go's names for them, which
// containers have.
var goArches = map[string]string{"x86_64": "amd64", "i686": "386", "aarch64": "arm64", "armhf": "arm", "riscv64": "riscv64"}

// GoArch returns the recipe's architecture by Go's name.
func (r *Recipe) GoArch() string { return goArches[r.Arch] }
