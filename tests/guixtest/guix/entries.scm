;; Has Guix write the boot parameters of systems on roots of all kinds, into
;; /mnt/systems, and print the menu entries that it makes of them itself: label,
;; kernel, initial RAM disk, arguments, a line each, and an empty one.
(use-modules (guix store) (guix derivations) (guix gexp) (guix monads) (gnu system)
             (gnu bootloader)
             (ice-9 textual-ports) (gnu system uuid) (gnu system file-systems))
(load "/mnt/parameters.scm")

(define %devices
  (list (file-system-label "guix-root")
        (uuid "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e")
        (uuid "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e" 'btrfs)
        (uuid "2026-11-21-02-03-04-05" 'iso9660)
        "/dev/vda2"
        "server:/export/root"
        "tmpfs"
        "none"))

(define store (open-connection))
(define tools (add-to-store store "tools-1.0" #t "sha256" "/mnt/input/tools"))
(define guile (guile-for-build store tools))

(define (build mdrv)
  "Build the derivation that MDRV, a monadic value, is, and return its output."
  (let ((drv (run-with-store store mdrv)))
    (build-derivations store (list drv))
    (derivation->output-path drv)))

(define (lines entry)
  "Return the lines of ENTRY.  Some are code to be run by a builder."
  #~(list #$(menu-entry-label entry) #$(menu-entry-linux entry) #$(menu-entry-initrd entry)
          #$@(menu-entry-linux-arguments entry) ""))

(for-each
 (lambda (device number)
   (let ((system (format #f "/mnt/systems/~a" number)))
     (system* "mkdir" "-p" system)
     (copy-file (build (parameters-of (system-on device) guile))
                (string-append system "/parameters"))
     (display
      (call-with-input-file
          (build (gexp->derivation "entry"
                   #~(call-with-output-file #$output
                       (lambda (port)
                         (set-port-encoding! port "UTF-8")
                         (for-each (lambda (line) (display line port) (newline port))
                                   #$(lines (boot-parameters->menu-entry
                                             (read-boot-parameters-file system))))))
                   #:guile-for-build guile))
        get-string-all))))
 %devices (iota (length %devices)))
