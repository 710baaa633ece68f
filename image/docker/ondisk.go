package docker

// The files of an archive beside its layer, as
// https://github.com/moby/docker-image-spec/blob/main/spec.md names their parts.

// manifestName is the file that docker load looks for first: a list of images.
const manifestName = "/manifest.json"

type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// config describes an image; the image's name is its digest.
type config struct {
	Architecture string    `json:"architecture"`
	Config       execution `json:"config"`
	Created      string    `json:"created"`
	History      []history `json:"history"`
	OS           string    `json:"os"`
	RootFS       rootFS    `json:"rootfs"`
}

// execution is what runs in a container unless docker run says otherwise.
type execution struct {
	Env        []string `json:",omitempty"`
	Entrypoint []string `json:",omitempty"`
	WorkingDir string   `json:",omitempty"`
}

type history struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

type rootFS struct {
	DiffIDs []string `json:"diff_ids"` // digests of the layers, not compressed
	Type    string   `json:"type"`
}
