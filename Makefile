# ingot's commands. Each can be run in a fresh clone; what is there already is not
# done again.

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2 # 2026.2.2

# SQLite is the one part in C. The binary is static all the same, since it is also
# the /init of ingot's own guests; the tags leave out what would need a libc at run
# time. No time, path or user name of the build gets into it.
OUT = bin/ingot
TAGS = osusergo netgo sqlite_omit_load_extension
BUILD = CGO_ENABLED=1 go build -trimpath -buildvcs=false -tags '$(TAGS)' \
	-ldflags '-s -w -buildid= -linkmode external -extldflags -static'

.PHONY: help build build-arm64 modules quick test test-guix check race bench fuzz fuzz-short vulnerabilities demo clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## the program, static, at bin/ingot
	$(BUILD) -o $(OUT) ./cmd/ingot

build-arm64: ## the same for AArch64, at bin/ingot-arm64, for its guests
	GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc $(BUILD) -o $(OUT)-arm64 ./cmd/ingot

modules: ## fetches what the other commands need of Go modules
	go mod download
	$(STATICCHECK) -version

test: ## all tests, with what they need installed first
	tests/setup/debian judges
	test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet ./...
	go run ./tests/run -timeout 180m ./... # a limit of each package: tests/boot takes 6 minutes idle, 27 beside eight busy processes

quick: ## gofmt, go vet and the tests that boot no guest and ask no judge: for every save
	test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet ./...
	INGOT_QUICK=1 go test -short $$(go list ./... | grep -Ev '/tests/(boot|faults|failure|kills|nixtest|guixtest|repro|bench|demo)$$')

test-guix: ## what real Guix thinks of it, in a chroot of Debian unstable; takes root
	tests/setup/debian judges
	tests/setup/guix
	INGOT_GUIX_CHROOT=$(CURDIR)/bin/guix-chroot go test -count=1 -timeout 60m ./tests/guixtest

check: ## gofmt, go vet and staticcheck
	test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)"
	go vet ./...
	$(STATICCHECK) ./...

race: ## the packages that work in parallel, under the race detector
	go test -race -short -timeout 90m ./image/... ./storedb/... ./partition/... ./inspect ./internal/... \
		./vm ./guest/wire/... ./guest ./guest/shell ./guest/ssh ./vm/network ./vm/run ./vm/session ./vm/runtimedir ./lab/scenario

bench: ## the numbers of the README: make bench, make bench BENCH="raw nar"
	tests/setup/debian judges
	$(MAKE) build
	go run ./tests/bench $(BENCH)

FUZZTIME = 60s
fuzz: ## every fuzz target for FUZZTIME (60s); with FUZZ='-target storedb' some: go run ./tests/fuzz -help
	go run ./tests/fuzz -time $(FUZZTIME) $(FUZZ)

fuzz-short: ## every fuzz target for 2,000 executions, however long they take
	go run ./tests/fuzz -execs 2000 -least 0 $(FUZZ)

vulnerabilities: ## known vulnerabilities in what ingot calls, where the database can be reached
	tests/setup/vulnerabilities

demo: ## installs what is missing, builds a rescue disk, boots it in BIOS and in UEFI
	go run ./tests/demo

clean: ## removes what was built; unpacked kernels, GRUB's modules and the chroot with Guix stay
	find bin -mindepth 1 -maxdepth 1 ! -name 'kernel*' ! -name 'grub-*' ! -name guix-chroot -exec rm -rf {} +
