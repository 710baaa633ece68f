# Images of a small system, in every way that ingot's expressions make them.
let
  pkgs = import ./pkgs.nix;
  images = import ./nix { inherit pkgs; inherit (pkgs) ingot; };
  base = (import ./system).system;

  # A system with the fstab of a NixOS configuration.
  fstab = builtins.toFile "fstab" ''
    /dev/disk/by-label/nixos / ext4 defaults 0 1
    /dev/disk/by-label/ESP /boot vfat defaults 0 2
  '';
  system = pkgs.run "nixos-system-web-24.05" ''
    cp -a $base $out
    chmod -R u+w $out
    etc=$(readlink $out/etc)
    rm $out/etc
    mkdir $out/etc
    for file in $etc/*; do ln -s $file $out/etc; done
    ln -s $fstab $out/etc/fstab
    sed -i "s|$base|$out|g" $out/init $out/boot.json
  '' { inherit base fstab; };

  config = {
    system.name = "web";
    system.build.toplevel = system;
    networking.hostName = "web";
    nixpkgs.hostPlatform.system = "x86_64-linux";
    fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
    fileSystems."/boot" = { device = "/dev/disk/by-label/ESP"; fsType = "vfat"; };
    boot.loader.grub = { enable = true; efiSupport = true; device = "/dev/vda"; };
    boot.loader.timeout = 1;
  };
  recipe = {
    disk.partitions.root.size = "fit+32MiB";
    bootloader.console = [ "ttyS0" ];
  };
  arguments = { inherit config recipe; };
  of = format: images.mkImage (arguments // { inherit format; });
in
rec {
  inherit system;
  raw = of "raw";
  qcow2 = of "qcow2";
  vdi = of "vdi";
  vhd = of "vhd";
  iso = of "iso";
  netboot = of "netboot";

  # What a stream writes, in the sandbox of a build: the same bytes.
  same = pkgs.run "same" ''
    $stream/bin/web -o web.qcow2
    cmp web.qcow2 $image/web.qcow2
    $stream/bin/web -o - --format raw > web.raw
    cmp web.raw $raw/web.raw
    mkdir $out
  '' {
    inherit raw;
    image = qcow2;
    stream = images.streamImage (arguments // { format = "qcow2"; });
  };

  test = images.testImage (arguments // {
    recipe = recipe // {
      bootloader = recipe.bootloader // { arguments = [ "ingot-test.poweroff" ]; };
      tests = [ { name = "boots"; script = "boot bios\nstart\nwait console ingot-test: contents match\nwait console ingot-test: done\n"; } ];
    };
  });
}
