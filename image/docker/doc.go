// Package docker lays a Tree out as the archive that docker load reads, of one layer.
//
//	archive, err := docker.Layout(ctx, tree, docker.Options{Tag: "web:latest", Entrypoint: []string{"/init"}})
//	err = image.WriteRaw(ctx, archive, "web.tar", image.WriteOptions{})
//
// The archive is an [image.Map], as that of package tar is, which makes the layer; but its
// files are read once to make it, since docker names layers by their digests. It holds the
// same bytes every time: what was to be a time is the second after the epoch.
//
// The format is that of docker save, https://github.com/moby/docker-image-spec, which
// docker, podman and skopeo read. Layers are not compressed, and there is one.
package docker
