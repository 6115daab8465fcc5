# SPDX-License-Identifier: Apache-2.0
# everyday.pl - what Perl programs do: text, hashes, processes, formats.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use POSIX qw(floor strftime :sys_wait_h);

my %count;
$count{$_ % 7}++ for 1 .. 100;
print join(",", map { "$_=$count{$_}" } sort keys %count), "\n";

my $text = "The quick brown fox jumps over the lazy dog. " x 200;
(my $swapped = $text) =~ s/(\w+) (\w+)/$2 $1/g;
print sha256_hex($swapped), "\n";

pipe(my $read, my $write);
my $pid = fork();
if (!$pid) {
	close $read;
	printf $write "%s %.10g %05d %x\n", "child", 1 / 3, 42, 255;
	exit 5;
}
close $write;
print <$read>;
waitpid($pid, 0);
print "status ", $? >> 8, " ", strftime("%Y-%m-%d", gmtime(86400 * 365)), " ", floor(-2.5), "\n";
my $out = `echo from the shell; exit 3`;
print $out, $? >> 8, "\n";
eval { die { code => 9 } };
print "died with $@->{code}\n";
my $n = 0;
$n += $_ * $_ for 1 .. 100000;
print "$n\n";
