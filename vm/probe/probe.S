# What a machine starts with to show that guests run on it: a ROM in place of the BIOS.
# It goes the way of a kernel, from real mode into 64-bit mode, takes an exception
# there, tells on the debug port of each step, and switches the machine off.
#
#	as --64 -o probe.o probe.S && ld -Ttext=0xf0000 --oformat=binary -o probe.bin probe.o
#
# There are hosts on which the first steps run, for KVM emulates them, and the first
# instruction in 64-bit mode never comes back. No firmware gets that far.

	.set	debug, 0x402		# isa-debugcon
	.set	off, 0xf4		# isa-debug-exit
	.set	tables, 0x1000		# page tables: three pages
	.set	idt, 0x4000

	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %es
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$debug, %dx
	movb	$'R', %al		# real mode
	outb	%al, %dx
	movw	%cs, %ax
	movw	%ax, %ds
	movw	$tables, %di
	movw	$0x1800, %cx
	xorw	%ax, %ax
	cld
	rep stosw
	movw	$tables+0x1003, %es:tables	# the first 2 MiB, where they are
	movw	$tables+0x2003, %es:tables+0x1000
	movw	$0x0083, %es:tables+0x2000
	lgdtl	gdtr-_start
	movl	$0x20, %eax		# CR4.PAE
	movl	%eax, %cr4
	movl	$tables, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	# EFER.LME
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax	# CR0.PG, CR0.PE
	movl	%eax, %cr0
	ljmpl	$8, $long

	.code64
long:
	movw	$0x10, %ax
	movw	%ax, %ds
	movw	%ax, %ss
	movw	$debug, %dx
	movb	$'L', %al		# long mode
	outb	%al, %dx
	movl	$trap, %eax		# a gate for breakpoints
	movl	$idt, %edi
	movw	%ax, 0x30(%rdi)
	movw	$8, 0x32(%rdi)
	movw	$0x8e00, 0x34(%rdi)
	shrl	$16, %eax
	movw	%ax, 0x36(%rdi)
	movq	$0, 0x38(%rdi)
	lidt	idtr
	int3
	movb	$'B', %al		# back again
	outb	%al, %dx
	movl	$off, %edx
	movl	$0x10, %eax		# QEMU exits with twice that, and 1
	outl	%eax, %dx
1:	hlt
	jmp	1b
trap:
	movb	$'T', %al		# in the trap
	outb	%al, %dx
	iretq

	.balign 8
gdt:	.quad	0
	.quad	0x00209a0000000000	# 64-bit code
	.quad	0x0000920000000000	# data
gdtr:	.word	.-gdt-1
	.long	gdt
idtr:	.word	0xfff
	.quad	idt
