mkdir -p $out/bin $out/share $out/sizes

echo 'the same' > $out/share/plain
cp $out/share/plain $out/share/again
cp $out/share/plain $out/bin/program
chmod +x $out/bin/program

# Data, 8 MiB of zeros, data.
{
	echo before
	dd if=/dev/zero bs=1048576 count=8 2>/dev/null
	echo after
} > $out/share/zeros

# Larger than the floor of Guix's deduplication, twice.
seq 20000 > $out/share/numbers
cp $out/share/numbers $out/share/numbers-again

: > $out/sizes/0
for size in 1 4095 4096 4097 8191 8192 65536; do
	head -c $size $out/share/numbers > $out/sizes/$size
done
# Owners and times that no store keeps: they are canonical in the end.
chmod 600 $out/share/again
touch -d '2001-02-03 04:05:06' $out/share/again
