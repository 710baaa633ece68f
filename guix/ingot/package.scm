;;; The package of ingot: one static program, which is also the init of its guests.
;;;
;;; The source is the tree that this file lies in or, where the module came with a channel, the
;;; commit of that channel.

(define-module (ingot package)
  #:use-module (gnu packages)
  #:use-module (gnu packages base)
  #:use-module (gnu packages golang)
  #:use-module (gnu packages nss)
  #:use-module (guix base32)
  #:use-module (guix build-system gnu)
  #:use-module (guix channels)
  #:use-module (guix describe)
  #:use-module (guix diagnostics)
  #:use-module (guix discovery)
  #:use-module (guix gexp)
  #:use-module (guix i18n)
  #:use-module (guix git)
  #:use-module ((guix licenses) #:prefix license:)
  #:use-module (guix packages)
  #:use-module (guix utils)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-9)
  #:use-module (srfi srfi-34)
  #:export (ingot))

;; Tests compare these with go.mod, recipes/doc.go, the Makefile and what 'go mod vendor' writes.
(define %version "0.1.0")
(define %go-version "1.26.8")
(define %vendor-hash "07smzrpxy0abp3kp6404mzs75b9lqzj771d82wi8blffcrk2sg5n")
(define %tags "osusergo netgo sqlite_omit_load_extension")
(define %ldflags "-s -w -buildid= -linkmode external -extldflags -static")


;;;
;;; Go, which fetches what it builds from.
;;;

(define (go-download name go hash code)
  "Return the file that CODE, a gexp that may run Go with the network, makes: its contents are known
by HASH, a NAR hash."
  (computed-file name
                 (with-imported-modules '((guix build utils))
                   #~(begin
                       (use-modules (guix build utils))
                       (setenv "PATH" #+(file-append go "/bin"))
                       (setenv "HOME" (getcwd))
                       (setenv "GOFLAGS" "-modcacherw")
                       (setenv "GOTOOLCHAIN" "local")
                       (setenv "SSL_CERT_DIR" #+(file-append nss-certs "/etc/ssl/certs"))
                       #$code))
                 #:options `(#:hash ,(nix-base32-string->bytevector hash)
                             #:hash-algo sha256
                             #:recursive? #t
                             #:leaked-env-vars ("http_proxy" "https_proxy" "no_proxy" "GOPROXY"))))

(define (guix-go)
  "Return the newest Go that Guix has."
  (fold-module-public-variables
   (lambda (value best)
     (if (and (package? value)
              (string=? "go" (package-name value))
              (version>? (package-version value) (package-version best)))
         value
         best))
   go
   (list (resolve-interface '(gnu packages golang)))))

(define (go-toolchain)
  "Return a Go that compiles ingot: Guix's or, as long as that is older, the one that Guix's Go
fetches when go.mod asks for a newer one."
  (let ((go (guix-go)))
    (if (version>=? (package-version go) %go-version)
        go
        (match (or (%current-target-system) (%current-system))
          ((? (lambda (system) (string-prefix? "x86_64" system)))
           (fetched-go go "linux-amd64" "1bmjif15hslv7qknyp37jf97nxnbb2hyns0pv8ahs0pkkwssglx4"))
          ((? (lambda (system) (string-prefix? "aarch64" system)))
           (fetched-go go "linux-arm64" "186w68469d3sq0r0lg3w26l6b19w70gzlvzjnl18zrqvlbhpxi8d"))
          (system
           (raise (formatted-message (G_ "ingot needs Go ~a, and this Guix has ~a; for ~a there is no other")
                                     %go-version (package-version go) system)))))))

(define (fetched-go go platform hash)
  (let ((module (string-append "golang.org/toolchain@v0.0.1-go" %go-version "." platform)))
    (go-download (string-append "go-" %go-version) go hash
                 #~(begin
                     (setenv "GOMODCACHE" (string-append (getcwd) "/modules"))
                     (invoke "go" "mod" "download" #$module)
                     (copy-recursively (string-append "modules/" #$module) #$output
                                       #:log (%make-void-port "w"))
                     ;; What Go does when it unpacks a toolchain for itself.
                     (for-each (lambda (file)
                                 (rename-file file (string-append (dirname file) "/go.mod")))
                               (find-files #$output "^_go\\.mod$"))
                     (for-each (lambda (file) (chmod file #o755))
                               (append (find-files (string-append #$output "/bin"))
                                       (find-files (string-append #$output "/pkg/tool"))))))))


;;;
;;; The source.
;;;

;; What the Go command reads, so that a change of a document does not rebuild the program.
(define %folders
  '("bootloader" "cmd" "guest" "image" "inspect" "internal" "lab" "lint" "partition" "recipes"
    "storedb" "tests" "vm"))

(define (source-file? top)
  "Return a procedure that tells whether a file below TOP is part of the source."
  (lambda (file stat)
    (match (string-split (string-drop file (+ 1 (string-length top))) #\/)
      ((name) (or (member name '("go.mod" "go.sum" "LICENSE"))
                  (and (member name %folders) (eq? 'directory (stat:type stat)))))
      ((folder _ ...) (member folder %folders)))))

(define (ingot-source)
  "Return the source: the tree that this file lies in, or the commit of the channel."
  (let* ((file (search-path %load-path "ingot/package.scm"))
         (top (and file (dirname (dirname (dirname (canonicalize-path file)))))))
    (if (and top (file-exists? (string-append top "/go.mod")))
        (local-file top "ingot-source" #:recursive? #t #:select? (source-file? top))
        (match (find (lambda (channel) (eq? 'ingot (channel-name channel)))
                     (current-channels))
          (#f (raise (formatted-message (G_ "the source of ingot is not beside ~a, and there is no channel named \
ingot: call the channel so in channels.scm, or use -L guix in a clone") (or file "(ingot package)"))))
          (channel (git-checkout (url (channel-url channel))
                                 (commit (channel-commit channel))))))))

;; Found when it is asked for: other modules load without it.
(define-record-type <ingot-tree>
  (ingot-tree)
  ingot-tree?)

(define-gexp-compiler (ingot-tree-compiler (tree <ingot-tree>) system target)
  (lower-object (ingot-source) system #:target target))

(define (vendored source go)
  "Return the modules that SOURCE needs, as 'go mod vendor' writes them."
  (go-download "ingot-modules" go %vendor-hash
               #~(begin
                   (copy-recursively #+source "source" #:log (%make-void-port "w"))
                   (for-each make-file-writable (find-files "source" #:directories? #t))
                   (with-directory-excursion "source"
                     (invoke "go" "mod" "vendor" "-o" #$output)))))

(define ingot
  (package
    (name "ingot")
    (version %version)
    (source (ingot-tree))
    (build-system gnu-build-system)
    (arguments
     (list
      #:tests? #f                       ; they want QEMU, Nix and a Debian
      #:strip-binaries? #f              ; -s -w has done it
      #:phases
      #~(modify-phases %standard-phases
          (delete 'configure)
          (replace 'build
            (lambda _
              (setenv "PATH" (string-append #+(go-toolchain) "/bin:" (getenv "PATH")))
              (setenv "HOME" (getcwd))
              (setenv "GOCACHE" (string-append (getcwd) "/.cache"))
              (setenv "GOTOOLCHAIN" "local")
              (setenv "CGO_ENABLED" "1") ; SQLite is in C
              (symlink #+(vendored (ingot-tree) (go-toolchain)) "vendor")
              (invoke "go" "build" "-mod=vendor" "-trimpath" "-buildvcs=false"
                      "-tags" #$%tags "-ldflags" #$%ldflags
                      "-o" "ingot" "./cmd/ingot")))
          (replace 'install
            (lambda _
              (install-file "ingot" (string-append #$output "/bin"))
              (for-each (lambda (shell file)
                          (let ((file (string-append #$output "/share/" file)))
                            (mkdir-p (dirname file))
                            (with-output-to-file file
                              (lambda ()
                                (invoke "./ingot" "completion" shell)))))
                        '("bash" "fish" "zsh")
                        '("bash-completion/completions/ingot"
                          "fish/vendor_completions.d/ingot.fish"
                          "zsh/site-functions/_ingot")))))))
    (inputs (list (list glibc "static")))
    (supported-systems '("x86_64-linux" "aarch64-linux"))
    (home-page "https://guix.gnu.org")
    (synopsis "Make bootable disks and ISOs of Nix and Guix store closures")
    (description
     "ingot turns Nix and Guix store closures into bootable disks and ISOs: byte for byte the
same every time, without root, at the speed of copying the files.  It also boots them, runs commands
in them and tests them, before it writes a byte.")
    (license license:asl2.0)))
