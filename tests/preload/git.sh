# SPDX-License-Identifier: BSD-2-Clause
# git: init, commit, clone, gc, fsck, log, blame, rebase of a repository that it makes
PRELOAD_HEAPS=${PRELOAD_HEAPS:-auto shared}
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program git
GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
GIT_AUTHOR_DATE='2024-01-01T00:00:00Z' GIT_COMMITTER_DATE='2024-01-01T00:00:00Z'
GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL \
	GIT_AUTHOR_DATE GIT_COMMITTER_DATE GIT_CONFIG_NOSYSTEM GIT_PAGER
git config --global gc.auto 0
git config --global init.defaultBranch main
git config --global pack.threads 2
project "$tmp/project"
same "a repository's life" sh -ec "
	git init -q a; cd a; cp '$tmp/project'/* .; git add .; git commit -qm one
	for i in \$(seq 40); do echo \"/* \$i */\" >> part\$((i % 24 + 1)).c; git commit -qam \"change \$i\"; done
	git diff --stat HEAD~30; git log --stat --oneline | md5sum; git blame part5.c | tail -n 4
	git checkout -qb side HEAD~10; echo >> main.c; git commit -qam side; git rebase -q main
	git checkout -q main; git merge --no-edit side | tail -n 2; git tag -am t v1
	git gc -q --aggressive --prune=now; git fsck 2>&1; git count-objects -v | grep -v size
	cd ..; git clone -q a b; git clone -q --bare file://\"\$PWD\"/a c.git; cd b
	git log --format='%H %s' | tail -n 3; git show-ref; git grep -c calloc; git status
	echo >> main.c; git stash -q; git stash pop -q; git commit -qam more
	git push -q ../c.git main 2>&1; git -C ../c.git rev-parse main; git bundle create -q x main; git bundle verify -q x
	git archive HEAD | md5sum; git rev-list --objects --all | sort | md5sum"
same -s 128 "no repository" git -C / log
