;; Guix's own writer of boot parameters, given a guile that it need not build.
(use-modules (guix gexp) (guix derivations) (gnu system) (gnu system file-systems)
             (gnu bootloader) (gnu bootloader grub))

(define (guile-for-build store tools)
  "Return a derivation whose bin/guile is the one that Guix itself runs on."
  ;; The daemon wants builders to lie in the store, and looks where links lead.
  (derivation store "guile-3.0" (string-append tools "/bin/sh")
              (list "-euc" (string-append "mkdir -p $out/bin
echo '#! " tools "/bin/sh' > $out/bin/guile
echo 'exec /usr/lib/x86_64-linux-gnu/guix/guile \"$@\"' >> $out/bin/guile
chmod +x $out/bin/guile"))
              #:env-vars `(("PATH" . ,(string-append tools "/bin")))
              #:sources (list tools)))

(define* (system-on device #:key (label "GNU with \"ingot\"\\λ") (initrd-folder "/mnt/input/initrd")
                    (arguments '()))
  "Return the declaration of a system whose root is DEVICE."
  (operating-system
    (host-name "ingot")
    (timezone "UTC")
    (locale "en_US.utf8")
    (label label)
    (kernel (local-file "/mnt/input/kernel" "linux-ingot-6.1" #:recursive? #t))
    (initrd (lambda _ (file-append (local-file initrd-folder "raw-initrd" #:recursive? #t)
                                   "/initrd.cpio.gz")))
    (bootloader (bootloader-configuration
                  (bootloader grub-bootloader)
                  (targets '("/dev/vda"))))
    (file-systems (list (file-system
                          (device device)
                          (mount-point "/")
                          (type "ext4"))))
    (kernel-arguments `("quiet" "console=ttyS0" "ingot.words=one two" "dyndbg=\"file x +p\"" ,@arguments))
    (firmware '())
    (services '())))

(define (parameters-of os guile)
  "Return, as a monadic value, the derivation of the boot parameters of OS."
  (gexp->file "parameters"
              ((@@ (guix gexp) scheme-file-gexp)
               ((@@ (gnu system) operating-system-boot-parameters-file) os))
              #:set-load-path? #f #:guile guile))
