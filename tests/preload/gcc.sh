# SPDX-License-Identifier: BSD-2-Clause
# gcc builds a C project to the same bytes, and its programs run
PRELOAD_HEAPS=${PRELOAD_HEAPS:-auto shared}
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program gcc
same_project gcc
same -s 9 "with link-time optimisation" sh -c "
	cp '$tmp/project'/*.c . && gcc -O2 -flto=2 -o program *.c && ./program"
same -s 1 "an error" sh -c 'echo "int main(void) { return y; }" > e.c; gcc -c e.c'
if command -v g++ > /dev/null; then
	same "C++" sh -ec '
		printf "%s\n" "#include <map>" "#include <string>" "#include <iostream>" "#include <vector>" \
			"int main() { std::map<std::string, std::vector<int>> m;" \
			"for (int i = 0; i < 20000; i++) m[std::to_string(i % 997)].push_back(i);" \
			"try { m.at(\"x\"); } catch (const std::exception &e) { std::cout << e.what() << \"\\n\"; }" \
			"std::cout << m.size() << \" \" << m[\"5\"].size() << \"\\n\"; }" > a.cc
		g++ -O1 -o a a.cc; ./a'
fi
