;; Has the daemon make a system that Guix's own early boot code starts, of the initial RAM disk in
;; /mnt/input/early: from a disk, or from an ISO. Prints its path, and that of its graph.
(use-modules (guix store) (guix derivations) (guix monads) (gnu system) (gnu system file-systems)
             (gnu system uuid) (ice-9 match))
(load "/mnt/parameters.scm")

(define store (open-connection))
(define tools (add-to-store store "tools-1.0" #t "sha256" "/mnt/input/tools"))

(define (build drv)
  (build-derivations store (list drv))
  (derivation->output-path drv))

(define* (run name script #:key (graphs '()) (inputs '()))
  (derivation store name (string-append tools "/bin/sh") (list "-euc" script)
              #:env-vars `(("PATH" . ,(string-append tools "/bin")))
              #:inputs (map derivation-input inputs)
              #:sources (list tools)
              #:references-graphs graphs))

(define parameters-drv
  (run-with-store store
    (parameters-of (match (command-line)
                     ((_ "disk")
                      (system-on (file-system-label "guix-root")
                                 #:label "Early" #:initrd-folder "/mnt/input/early"))
                     ((_ "iso")
                      (system-on (uuid "2026-11-21-02-03-04-05" 'iso9660)
                                 #:label "Early" #:initrd-folder "/mnt/input/early"
                                 #:arguments '("rootfstype=iso9660" "VOLATILE=1"))))
                   (guile-for-build store tools))))
(define parameters (build parameters-drv))
(define boot-parameters (call-with-input-file parameters read-boot-parameters))

;; The file that gnu.load names is Scheme, which the early Guile loads. Guix's starts the Shepherd.
(define system-drv
  (run "system" (string-append "
mkdir $out
ln -s " (dirname (boot-parameters-kernel boot-parameters)) " $out/kernel
ln -s " (boot-parameters-initrd boot-parameters) " $out/initrd
ln -s " parameters " $out/parameters
ln -s " tools " $out/profile
sed \"s|@out@|$out|; s|@tools@|" tools "|\" " tools "/share/boot.sh > $out/boot.sh
echo \";; What the early Guile loads.
(execl \\\"" tools "/bin/sh\\\" \\\"sh\\\" \\\"$out/boot.sh\\\")\" > $out/boot")
       #:inputs (list parameters-drv)))

(define system (build system-drv))
(display system)
(newline)
(display (build (run "graph" "cp system-graph $out"
                     #:graphs `(("system-graph" . ,system)) #:inputs (list system-drv))))
(newline)
