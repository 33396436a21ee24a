# SPDX-License-Identifier: BSD-2-Clause
# nginx: several workers under load on loopback, a reload in the middle, an orderly end
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program nginx curl
mkdir "$tmp/www"
for i in $(seq 200); do seq "$i" $((i * 20)) > "$tmp/www/$i"; done
chmod -R a+rX "$tmp" "$tmp/www"
cat > "$tmp/script" <<END
mkdir logs temp
n=10
while :; do
	port=\$((10000 + \$(od -An -N2 -tu2 /dev/urandom) % 20000))
	cat > conf <<CONF
worker_processes 4; daemon off; pid \$PWD/pid; error_log \$PWD/logs/error warn;
events { worker_connections 256; }
http {
	access_log \$PWD/logs/access; client_body_temp_path temp; proxy_temp_path temp; gzip on;
	fastcgi_temp_path temp; uwsgi_temp_path temp; scgi_temp_path temp; gzip_types *; gzip_min_length 1;
	server {
		listen 127.0.0.1:\$port; root $tmp/www;
		location /again/ { proxy_pass http://127.0.0.1:\$port/; }
		location /moved { return 302 /1; }
	}
}
CONF
	nginx -p "\$PWD/" -e logs/error -c "\$PWD/conf" > out 2>&1 & server=\$!
	tries=1000
	until curl -sf http://127.0.0.1:\$port/1 > /dev/null || ! kill -0 \$server 2>/dev/null; do
		tries=\$((tries - 1)); [ \$tries -gt 0 ] || break; sleep 0.1
	done
	kill -0 \$server 2>/dev/null && break
	n=\$((n - 1)); [ \$n -gt 0 ] || { cat out logs/error; exit 1; }
done
trap 'kill \$server 2>/dev/null' EXIT
load()
{
	for i in 1 2 3; do
		curl -s -Z --no-progress-meter --parallel-max 30 --compressed "http://127.0.0.1:\$port/\$1[1-200]" -o "f\$2.\$i.#1" || exit 1
	done
}
load '' a & first=\$!
load again/ b
wait \$first
cat fa.* | md5sum; cat fb.* | md5sum
load '' c & first=\$!
kill -HUP \$server
wait \$first
cat fc.* | md5sum
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:\$port/none http://127.0.0.1:\$port/moved
kill -QUIT \$server; wait \$server; echo "ended \$?"
wc -l < logs/access
grep -vE 'open\(\) ".*/none" failed' logs/error
exit 0
END
same "four workers under load" sh "$tmp/script"
