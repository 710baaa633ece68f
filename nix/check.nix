# A small system for the flake's checks: it says on its console that it runs.
{ lib, pkgs, ... }:
{
  networking.hostName = "check";
  boot.kernelParams = [ "console=ttyS0" ];
  boot.loader.grub.efiSupport = pkgs.stdenv.hostPlatform.isAarch64;
  boot.loader.timeout = 1;
  documentation.enable = false;
  nix.enable = false;
  system.stateVersion = lib.trivial.release;
  systemd.services.check = {
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      StandardOutput = "journal+console";
    };
    script = "echo the check runs on $(uname -m)";
  };
}
