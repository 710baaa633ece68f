// Package docker lays a Tree out as the archive that docker load reads, of one layer.
//
//	archive, err := docker.Layout(ctx, tree, docker.Options{Tag: "web:latest", Entrypoint: []string{"/init"}})
//	err = image.WriteRaw(ctx, archive, "web.tar", image.WriteOptions{})
//
// The archive is an [image.Map]. Package tar makes its layer; Layout reads the files once,
// since docker names layers by their digests. It returns the same bytes every time: all dates
// are the second after the epoch.
//
// The format is that of docker save, https://github.com/moby/docker-image-spec, which
// docker, podman and skopeo read. Layers are not compressed, and there is one.
package docker
