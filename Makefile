# Commands to build and test ingot. Each works in a fresh clone, and skips steps that are already
# done.

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 # 2026.2.2

# SQLite is the only part in C. The binary is static, since it is also the /init of ingot's guests;
# the tags leave out code that would need a libc at run time. The binary contains no time, path or
# user name of the build.
OUT = bin/ingot
TAGS = osusergo netgo sqlite_omit_load_extension
BUILD = CGO_ENABLED=1 go build -trimpath -buildvcs=false -tags '$(TAGS)' \
	-ldflags '-s -w -buildid= -linkmode external -extldflags -static'

.PHONY: help build build-arm64 modules quick test test-guix test-nix check race bench fuzz fuzz-short vulnerabilities demo clean

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build the static binary bin/ingot
	$(BUILD) -o $(OUT) ./cmd/ingot

build-arm64: ## build bin/ingot-arm64, for AArch64 guests
	GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc $(BUILD) -o $(OUT)-arm64 ./cmd/ingot

modules: ## download the Go modules that the other commands need
	go mod download
	$(STATICCHECK) -version

test: ## install what the tests need, and run all tests
	tests/setup/debian judges
	test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet ./...
	go run ./tests/run -timeout 180m ./... # the timeout is per package: tests/boot takes 6 minutes idle, 27 beside eight busy processes

quick: ## gofmt, go vet, and the tests without guests and judges: for every save
	test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet ./...
	INGOT_QUICK=1 go test -short $$(go list ./... | grep -Ev '/tests/(boot|faults|failure|kills|nixtest|nixlib|guixtest|repro|bench|demo)$$')

test-guix: ## test with real Guix, in a chroot of Debian unstable; needs root
	tests/setup/debian judges
	tests/setup/guix
	INGOT_GUIX_CHROOT=$(CURDIR)/bin/guix-chroot go test -count=1 -timeout 60m ./tests/guixtest

test-nix: ## test with a newer Nix, in a chroot of Debian unstable; needs root
	tests/setup/debian judges
	tests/setup/nix
	INGOT_NIX_CHROOT=$(CURDIR)/bin/nix-chroot go test -count=1 -timeout 60m -run NewNix ./tests/nixlib

check: ## run gofmt, go vet and staticcheck
	test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet ./...
	$(STATICCHECK) ./...

race: ## test the packages that work in parallel under the race detector
	go test -race -short -timeout 90m ./image/... ./storedb/... ./partition/... ./inspect ./internal/... \
		./vm ./guest/wire/... ./guest ./guest/shell ./guest/ssh ./vm/network ./vm/run ./vm/session ./vm/runtimedir ./lab/scenario

bench: ## measure the numbers of docs/speed.md; some of them: make bench BENCH="raw nar"
	tests/setup/debian judges
	$(MAKE) build
	go run ./tests/bench $(BENCH)

FUZZTIME = 60s
fuzz: ## run every fuzz target for FUZZTIME (60s); some of them: make fuzz FUZZ='-target storedb'
	go run ./tests/fuzz -time $(FUZZTIME) $(FUZZ)

fuzz-short: ## execute every fuzz target 2,000 times
	go run ./tests/fuzz -execs 2000 -least 0 $(FUZZ)

vulnerabilities: ## look for known vulnerabilities, if the database can be reached
	tests/setup/vulnerabilities

demo: ## install missing packages, build a rescue disk, boot it in BIOS and UEFI
	go run ./tests/demo

clean: ## remove built files; keep unpacked kernels, GRUB's modules and the chroots
	find bin -mindepth 1 -maxdepth 1 ! -name 'kernel*' ! -name 'grub-*' ! -name '*-chroot' -exec rm -rf {} +
