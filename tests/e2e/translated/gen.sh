# SPDX-License-Identifier: Apache-2.0
# gen.sh - print the C file of that name: fN returns N squared, main adds them up.
case $1 in
main)
	echo '#include <stdio.h>'
	for i in $(seq 1 20); do echo "int f$i(void);"; done
	echo 'int main(void) { int s = 0;'
	for i in $(seq 1 20); do echo "s += f$i();"; done
	printf '%s\n' 'printf("%d\n", s); return 0; }'
	;;
f*) echo "int $1(void) { return ${1#f} * ${1#f}; }" ;;
esac
