# The NixOS module: ingot's variants beside nixpkgs' own, for
#
#   nixos-rebuild build-image --image-variant ingot-qcow2
#
# nixos/modules/image/images.nix of nixpkgs evaluates the configuration once more for each module
# in image.modules, and takes system.build.image and image.filePath of it.
{
  config,
  lib,
  options,
  ...
}:
let
  pure = import ./lib.nix;

  disk =
    format:
    {
      config,
      lib,
      pkgs,
      modulesPath,
      ...
    }:
    {
      imports = [ (modulesPath + "/image/file-options.nix") ];
      config = lib.mkMerge [
        (output {
          inherit
            config
            lib
            pkgs
            format
            ;
        })
        (lib.mkIf config.image.ingot.defaults (defaults {
          inherit config lib;
        }))
      ];
    };

  # nixpkgs' own module makes a live system of the configuration; the image is ingot's.
  live =
    format: module:
    {
      config,
      lib,
      pkgs,
      modulesPath,
      ...
    }:
    {
      imports = [
        (modulesPath + module)
        (modulesPath + "/image/file-options.nix")
      ];
      config = output {
        inherit
          config
          lib
          pkgs
          format
          ;
        closures = config.isoImage.storeContents or config.netboot.storeContents or [ ];
        without = [ "disk" ];
      };
    };

  output =
    {
      config,
      lib,
      pkgs,
      format,
      closures ? [ ],
      # A medium has no partitions of its own.
      without ? [ ],
    }:
    let
      cfg = config.image.ingot;
      suffix = pure.formats.${format};
    in
    {
      # nixpkgs' modules for live systems set these for their own image.
      image.extension = lib.mkImageMediaOverride (lib.removePrefix "." suffix);
      image.fileName = lib.mkIf (suffix == "") (lib.mkImageMediaOverride config.image.baseName);
      image.filePath = lib.mkImageMediaOverride config.image.fileName;
      system.build.image = lib.mkImageMediaOverride (
        (import ./. {
          inherit pkgs;
          ingot = if cfg.package != null then cfg.package else pkgs.ingot or (pkgs.callPackage ./package.nix { });
        }).mkImage
          {
            inherit
              config
              format
              closures
              ;
            recipe = removeAttrs cfg.recipe without;
            inherit (cfg)
              rootSize
              bootSize
              swapSize
              ;
            hostPlatform = pkgs.stdenv.hostPlatform.system;
            name = config.image.baseName;
            fileName = config.image.fileName;
          }
      );
    };

  # What a disk needs and the configuration leaves to ingot: the labels of nixpkgs' own images.
  # The system and the disk agree, since both follow from these options.
  defaults =
    { config, lib }:
    let
      grub = config.boot.loader.grub;
      uefi = config.boot.loader.systemd-boot.enable || grub.enable && grub.efiSupport;
    in
    {
      fileSystems = {
        "/" = {
          device = lib.mkDefault "/dev/disk/by-label/nixos";
          fsType = lib.mkDefault "ext4";
          autoResize = lib.mkDefault true;
        };
      }
      // lib.optionalAttrs uefi {
        ${config.boot.loader.efi.efiSysMountPoint} = {
          device = lib.mkDefault "/dev/disk/by-label/ESP";
          fsType = lib.mkDefault "vfat";
        };
      };
      boot.growPartition = lib.mkDefault true;
      warnings = lib.optional config.boot.loader.systemd-boot.enable (
        "boot.loader.systemd-boot: the image starts by GRUB; in the machine, the first switch to a new"
        + " configuration installs systemd-boot if it is: nixos-rebuild switch --install-bootloader"
      );
      # An assertion of NixOS wants one, and a rebuild within the machine installs GRUB there.
      boot.loader.grub.devices = lib.mkIf grub.enable (
        lib.mkDefault [ (if grub.efiSupport then "nodev" else "/dev/vda") ]
      );
    };

  modules = {
    ingot-raw = disk "raw";
    ingot-qcow2 = disk "qcow2";
    ingot-vdi = disk "vdi";
    ingot-vhd = disk "vhd";
    ingot-iso = live "iso" "/installer/cd-dvd/iso-image.nix";
    ingot-netboot = live "netboot" "/installer/netboot/netboot.nix";
    ingot-kexec = live "kexec" "/installer/netboot/netboot.nix";
  };

  # Versions of nixpkgs differ in whether a variant is a module or a list of modules.
  listed = (options.image.modules.type.nestedTypes.elemType.name or "") == "listOf";
in
{
  imports = [ ./options.nix ];
  config.image.modules = lib.mapAttrs (_: module: if listed then [ module ] else module) modules;
}
