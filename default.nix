# ingot without flakes:
#
#   nix-build -A ingot
#   ingot = import ./ingot { inherit pkgs; };    ingot.mkImage { … }    imports = [ ingot.nixosModules.default ];
{
  pkgs ? import <nixpkgs> { },
}:
let
  ingot = pkgs.callPackage ./nix/package.nix { };
in
import ./nix { inherit pkgs ingot; }
// {
  overlays.default = final: _: { ingot = final.callPackage ./nix/package.nix { }; };
  nixosModules = rec {
    ingot = ./nix/module.nix;
    default = ingot;
  };
}
