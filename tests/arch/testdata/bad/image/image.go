package image

import (
	"math/rand/v2"
	host "os"
	"time"

	"bad/recipes"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

type os struct{ Getenv int }

func stamp() (int64, int, string, uuid.UUID) {
	var fine os
	_ = fine.Getenv
	_ = uuid.NewSHA1
	_, _ = host.Open("fine")
	_ = unix.Getrandom
	return time.Now().Unix(), rand.Int(), host.Getenv("HOME") + recipes.Name, uuid.New()
}
