;; Makes a new generation of the system, as 'guix system reconfigure' does: (guix scripts system)
;; and the programs that (guix scripts system reconfigure) runs, which are repeated here where
;; they would have to be built. The arguments are the store path of the tools, and where the root
;; is mounted. Prints the path of the new system.
(use-modules (guix store) (guix derivations) (guix gexp) (guix monads) (guix profiles)
             ((guix build utils) #:select (switch-symlinks))
             (gnu build install) (gnu system) (gnu system file-systems) (ice-9 match))
(load "/mnt/parameters.scm")
(load "/mnt/menu.scm")

(define profile-boot-parameters (@@ (guix scripts system) profile-boot-parameters))

(match (command-line)
  ((_ tools root)
   (define store (open-connection))
   (define guile (guile-for-build store tools))

   (define (build thing)
     (let ((drv (run-with-store store (lower-object thing) #:guile-for-build guile)))
       (build-derivations store (list drv))
       (derivation->output-path drv)))

   (define parameters
     (let ((drv (run-with-store store
                  (parameters-of (system-on (file-system-label "guix-root") #:label "Reconfigured")
                                 guile))))
       (build-derivations store (list drv))
       (derivation->output-path drv)))
   (define boot-parameters
     (call-with-input-file parameters read-boot-parameters))

   (define system
     (let ((drv (derivation store "system" (string-append tools "/bin/sh")
                            (list "-euc" (string-append "
mkdir $out
ln -s " (dirname (boot-parameters-kernel boot-parameters)) " $out/kernel
ln -s " (boot-parameters-initrd boot-parameters) " $out/initrd
ln -s " parameters " $out/parameters
ln -s " tools " $out/profile
sed \"s|@out@|$out|; s|@tools@|" tools "|\" " tools "/share/boot.sh > $out/boot
chmod +x $out/boot"))
                            #:env-vars `(("PATH" . ,(string-append tools "/bin")))
                            #:sources (list tools parameters))))
       (build-derivations store (list drv))
       (derivation->output-path drv)))

   ;; perform-action: the menu of the new system, and of the generations before it.
   (define bootcfg
     (build ((bootloader-configuration-file-generator test-bootloader)
             (bootloader-configuration (bootloader test-bootloader))
             (list (boot-parameters->menu-entry (read-boot-parameters-file system)))
             #:locale (boot-parameters-locale boot-parameters)
             #:old-entries (map boot-parameters->menu-entry (profile-boot-parameters)))))

   ;; switch-system-program
   (let* ((profile "/var/guix/profiles/system")
          (number (1+ (generation-number profile)))
          (generation (generation-file-name profile number)))
     (switch-symlinks generation system)
     (switch-symlinks profile generation))

   (install-menu root bootcfg)
   (display system)
   (newline)))
