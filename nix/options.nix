# The options image.ingot.*. docs/nix.md lists them; a test writes the list.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.image.ingot = {
    package = mkOption {
      type = types.nullOr types.package;
      default = null;
      defaultText = lib.literalExpression "the flake's own, or pkgs.ingot";
      description = "The package ingot that builds the images. Default: the flake's own, or `pkgs.ingot`.";
    };

    recipe = mkOption {
      type = types.attrs;
      default = { };
      example = lib.literalExpression ''
        {
          disk.size = "20GiB";
          disk.partitions.root.size = "100%";
          bootloader.console = [ "tty0" "ttyS0" ];
        }
      '';
      description = ''
        Keys of a recipe (docs/recipes.md), over those that follow from `fileSystems`,
        `swapDevices` and `boot.loader`. Elements of lists go by their name: the partitions are
        called `bios`, `esp`, `boot`, `swap`, `root`, or by their mount point, such as
        `var-lib` for /var/lib. Live variants have no partitions, and ignore `disk`.
      '';
    };

    rootSize = mkOption {
      type = types.str;
      default = "fit+512MiB";
      example = "8GiB";
      description = "The size of the partition with the store: a size, or `fit` with the space to leave free.";
    };

    bootSize = mkOption {
      type = types.str;
      default = "fit+256MiB";
      example = "512MiB";
      description = "The size of the partition at /boot, where the kernels of further generations come to.";
    };

    swapSize = mkOption {
      type = types.str;
      default = "1GiB";
      description = "The size of each swap partition in `swapDevices`.";
    };

    defaults = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether disk images get what the configuration leaves open: a root labelled `nixos`, with
        UEFI an ESP labelled `ESP`, `boot.growPartition` and a device for GRUB. The options of the
        configuration itself come first; of a file system that it declares, its device and type
        decide the label, UUID and type of the partition.
      '';
    };
  };
}
