package helper

import (
	_ "bad/guest"
	_ "bad/guest/wire" // the exception
)
