# What the flake's check and docs/nix.md test of a system: arguments of testImage.
{ config }:
{
  inherit config;
  recipe.tests = [
    {
      name = "boots";
      script = ''
        start
        wait line the check runs on
      '';
    }
  ];
}
