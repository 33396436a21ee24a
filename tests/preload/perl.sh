# SPDX-License-Identifier: BSD-2-Clause
# perl: hashes, strings, regular expressions, sorting, fork, threads where it has them
PRELOAD_HEAPS=${PRELOAD_HEAPS:-auto shared}
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program perl
same -s 5 "data and children" perl -e '
	my %h = map { $_ => "x" x ($_ % 300) } 1 .. 50000; delete @h{1 .. 25000};
	print scalar(keys %h), " ", length(join ",", map { $h{$_} } sort keys %h), "\n";
	my $pid = open my $p, "-|"; if (!$pid) { print "from a child\n"; exit 0 } print <$p>;
	print `echo backticks`; local $_ = "abc" x 10000; print scalar(() = /b/g), "\n";
	my @a = map { [$_, { n => $_ }] } 1 .. 30000; @a = grep { $_->[1]{n} % 3 } @a; print scalar(@a), "\n";
	my $s = ""; $s .= chr(65 + $_ % 26) for 1 .. 500000; $s =~ s/([AEIOU])/<$1>/g; print length $s, "\n";
	for my $n (1 .. 20) { my $c = fork; if (!$c) { my @b = (1) x 100000; exit $n } waitpid $c, 0; print $? >> 8, " " } print "\n";
	exit 5;'
if perl -Mthreads -e 1 2> /dev/null; then
	same "threads" perl -Mthreads -e '
		my @t = map { my $n = $_; threads->create(sub { my %h = map { $_ => $n } 1 .. 3000; my $s = 0; $s += $_ for values %h; $s }) } 1 .. 12;
		print join(" ", map { $_->join } @t), "\n";'
fi
same -s 255 "dying" perl -e 'die "dead\n"'
