#!/bin/guile --no-auto-compile
!#
;; The initial RAM disk's init: what raw-initrd in (gnu system linux-initrd) makes of a system
;; with a root on ext4. All that it calls is Guix's.
(use-modules (gnu build linux-boot) (gnu system file-systems)
             ((guix build utils) #:hide (delete)) (guix build syscalls) (srfi srfi-1) (srfi srfi-11)
             (srfi srfi-26)
             (system foreign))

;; The Guile of Guix's initial RAM disks has this system call built in, finit_module.
(module-define! the-root-module 'load-linux-module/fd
  (let ((call (pointer->procedure int (dynamic-func "syscall" (dynamic-link))
                                  (list long int '* int) #:return-errno? #t)))
    (lambda* (fd #:optional (options ""))
      (let-values (((result errno) (call 313 fd (string->pointer options) 0)))
        (unless (zero? result)
          (throw 'system-error "load-linux-module/fd" "~A" (list (strerror errno)) (list errno)))))))

(parameterize ((current-warning-port (%make-void-port "w")))
  (boot-system #:mounts
               (map spec->file-system
                    '(("/dev/placeholder" "/" "ext4" () #f #f #f #f #f)))
               #:linux-modules '("virtio_pci" "virtio_blk" "virtio_scsi" "sd_mod" "sr_mod"
                                 "ata_piix" "ext4" "isofs" "overlay")
               #:linux-module-directory "/modules"
               ;; Guix makes an initial RAM disk for either; the kernel puts this into the
               ;; environment from its command line.
               #:volatile-root? (getenv "VOLATILE")
               #:on-error 'backtrace))
