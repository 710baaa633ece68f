mkdir -p $out/bin
ln -s $linux/bzImage $out/kernel
ln -s $initrd/initrd $out/initrd
ln -s $etc/etc $out/etc
ln -s $path $out/sw
printf '%s' 'console=ttyS0 panic=-1 loglevel=4' > $out/kernel-params
printf '%s' 24.05.ingot-test > $out/nixos-version
printf '%s' x86_64-linux > $out/system
echo $keeper $contents $hook $current $empty $dev > $out/extra-dependencies

# What init finds in the guest has to be what was here. The digest covers every
# file of the other paths.
others="$contents $current $dev $empty $etc $hook $initrd $keeper $linux $path $tools"
digest=$(find $others -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c -64)
sed -e "s|@out@|$out|g; s|@tools@|$tools|g; s|@others@|$others|g; s|@digest@|$digest|g" $init > $out/init

cat > $out/activate <<END
#! $tools/bin/sh
echo activating $out
END
cat > $out/bin/switch-to-configuration <<END
#! $tools/bin/sh
echo switching to $out: \$1
END
chmod +x $out/init $out/activate $out/bin/switch-to-configuration

cat > $out/boot.json <<END
{"org.nixos.bootspec.v1": {"init": "$out/init", "initrd": "$initrd/initrd",
 "kernel": "$linux/bzImage", "kernelParams": ["console=ttyS0", "panic=-1", "loglevel=4"],
 "label": "ingot test", "system": "x86_64-linux", "toplevel": "$out"}}
END
