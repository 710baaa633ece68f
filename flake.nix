{
  description = "Bootable disks and ISOs of Nix and Guix store closures, without root or a virtual machine";

  # There is no flake.lock: ingot takes any nixpkgs whose Go is new enough. Let this input follow
  # yours: inputs.ingot.inputs.nixpkgs.follows = "nixpkgs";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      platforms = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      forAll = lib.genAttrs platforms;
      pkgsFor = platform: nixpkgs.legacyPackages.${platform};

      imagesOn =
        platform:
        import ./nix {
          pkgs = pkgsFor platform;
          inherit (self.packages.${platform}) ingot;
        };
      # An image is built where its system is.
      imagesFor =
        arguments:
        let
          platform =
            arguments.platform or (arguments.config.system.build.toplevel or arguments.system or { }).system
              or (throw "ingot: system is a path, which does not say where to build: give platform, such as \"x86_64-linux\"");
        in
        builtins.seq platform (imagesOn platform);
      on = function: arguments: (imagesFor arguments).${function} (removeAttrs arguments [ "platform" ]);
    in
    {
      packages = forAll (platform: rec {
        ingot = (pkgsFor platform).callPackage ./nix/package.nix { };
        default = ingot;
      });

      overlays.default = final: _: { ingot = final.callPackage ./nix/package.nix { }; };

      # mkImage, streamImage and testImage, and what is said of images without nixpkgs.
      lib = import ./nix/lib.nix // {
        mkImage = on "mkImage";
        streamImage = on "streamImage";
        testImage = on "testImage";
        matrix =
          { systems, formats }:
          lib.mapAttrs (
            name: arguments: ((imagesFor arguments).matrix {
              systems.${name} = removeAttrs arguments [ "platform" ];
              inherit formats;
            }).${name}
          ) systems;
        hydraProduct = image: (imagesOn image.system).hydraProduct image;
        # The same for a package set of your own.
        withPkgs = pkgs: import ./nix { inherit pkgs; };
      };

      nixosModules = rec {
        ingot =
          { lib, pkgs, ... }:
          {
            imports = [ ./nix/module.nix ];
            image.ingot.package = lib.mkDefault (
              self.packages.${pkgs.stdenv.buildPlatform.system}.ingot
                or (throw "ingot: no package for ${pkgs.stdenv.buildPlatform.system}; set image.ingot.package")
            );
          };
        default = ingot;
      };

      # A small NixOS system, booted by ingot test within a build.
      checks = forAll (
        platform:
        let
          nixos = lib.nixosSystem {
            modules = [
              self.nixosModules.default
              ./nix/check.nix
              { nixpkgs.hostPlatform = platform; }
            ];
          };
        in
        {
          ingot = self.packages.${platform}.ingot;
          image = nixos.config.system.build.images.ingot-qcow2;
          boots = self.lib.testImage (import ./nix/boots.nix { inherit (nixos.config.system.build.images.ingot-qcow2.passthru) config; });
        }
      );
    };
}
