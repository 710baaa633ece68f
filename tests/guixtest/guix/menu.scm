;; What Guix's own code for menus needs, without a package that would have to be built: a Guile
;; for builders, GRUB, and no picture in the background, which a program would have to convert.
(use-modules (gnu bootloader) (gnu bootloader grub) (guix gexp) (guix records) (srfi srfi-9))

(define-record-type <test-guile> (test-guile) test-guile?)
(define-gexp-compiler (test-guile-compiler (guile <test-guile>) system target)
  (lambda (store)
    (values (guile-for-build store (add-to-store store "tools-1.0" #t "sha256" "/mnt/input/tools"))
            store)))
(set! (@@ (gnu packages guile) guile-3.0) (test-guile))

(define test-bootloader
  (bootloader
    (inherit grub-bootloader)
    (package (local-file "/mnt/input/grub" "grub-test" #:recursive? #t))
    (configuration-file-generator
     (lambda (config . rest)
       (apply (@@ (gnu bootloader grub) grub-configuration-file)
              (bootloader-configuration
                (inherit config)
                (theme (grub-theme (image #f)))
                (timeout 0))
              rest)))))

(define (install-menu root bootcfg)
  "Do what install-bootloader-program in (guix scripts system reconfigure) does in ROOT with the
menu BOOTCFG, grub-install aside."
  (let ((gc-root (string-append root "/var/guix/gcroots/bootcfg")))
    (switch-symlinks (string-append gc-root ".new") bootcfg)
    (install-boot-config bootcfg "/boot/grub/grub.cfg" root)
    (rename-file (string-append gc-root ".new") gc-root)))
