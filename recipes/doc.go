// Package recipes is the recipe language: short YAML files that describe images.
//
// A [Recipe] lists what goes into the store, how the disk is divided, what else its file
// systems hold, how it boots, and the format of the output. [Load] reads one, strictly: every
// [Error] names the file, the line and the key, and suggests a correction. The recipes that
// ship with ingot are here, and [Schema], which describes the language.
//
//	r, err := recipes.Load("web.yaml", nil)
//	p, err := plan.New(ctx, r, plan.Host{Program: "/usr/bin/ingot"})
//	err = finish.Plan(ctx, p, finish.Options{})
//	_, err = p.Emit(ctx, "web.img", plan.EmitOptions{})
//
// The package plan makes an image of a recipe, and the package finish what takes a virtual
// machine. Nothing here looks at a file of the host but the recipe's own and the links that
// store paths are followed through.
//
// # How to add a key
//
// Add a field to the struct in recipe.go, with its key and its description as tags: the
// decoder, the JSON Schema and the list in error messages follow from it. Check it in
// check.go, and use it in package plan, or in package finish if it needs a virtual machine.
package recipes

// Version is ingot's own, which the bytes of an image depend on.
const Version = "0.1.0"
