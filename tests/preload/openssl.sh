# SPDX-License-Identifier: BSD-2-Clause
# openssl: digests, ciphers, keys, certificates, a server and a client of TLS
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program openssl
head -c 5000000 /dev/zero | tr '\0' x > "$tmp/data"
same "digests and ciphers" sh -ec "
	for d in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -\$d -r < '$tmp/data'; done
	for c in aes-256-cbc aes-128-ctr chacha20 camellia-256-cbc; do
		openssl enc -\$c -pbkdf2 -k word -S 0102030405060708 -in '$tmp/data' -out e
		openssl dgst -sha256 -r < e; openssl enc -d -\$c -pbkdf2 -k word -S 0102030405060708 -in e | cmp - '$tmp/data'; done
	openssl prime 2305843009213693951; openssl rand 1000 | wc -c"
same "keys and certificates" sh -ec "
	openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out r.pem 2>/dev/null || openssl genrsa -out r.pem 2048 2>/dev/null
	openssl ecparam -name prime256v1 -genkey -noout -out e.pem; openssl genpkey -algorithm ED25519 -out d.pem
	for k in r e; do openssl dgst -sha256 -sign \$k.pem -out s '$tmp/data'
		openssl pkey -in \$k.pem -pubout -out p.pem; openssl dgst -sha256 -verify p.pem -signature s '$tmp/data'; done
	openssl req -x509 -new -key e.pem -subj /CN=ca -days 2 -out ca.pem
	openssl req -new -key r.pem -subj /CN=leaf -out l.csr
	openssl x509 -req -in l.csr -CA ca.pem -CAkey e.pem -CAcreateserial -days 1 -out l.pem 2>/dev/null
	openssl verify -CAfile ca.pem l.pem; openssl x509 -in l.pem -noout -subject -issuer
	openssl pkcs12 -export -in l.pem -inkey r.pem -passout pass:x -out b.p12; openssl pkcs12 -in b.p12 -passin pass:x -nokeys | grep -c BEGIN"
port=$(port)
same "a server and a client" sh -ec "
	openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -subj /CN=localhost -days 1 -out c.pem 2>/dev/null
	cp '$tmp/data' data
	openssl s_server -accept 127.0.0.1:$port -key k.pem -cert c.pem -WWW -quiet >/dev/null 2>&1 & server=\$!
	trap 'kill \$server' EXIT
	for i in \$(seq 100); do openssl s_client -connect 127.0.0.1:$port </dev/null >/dev/null 2>&1 && break; sleep 0.1; done
	for i in 1 2 3 4 5; do
		printf 'GET /data HTTP/1.0\r\n\r\n' | openssl s_client -quiet -CAfile c.pem -verify_return_error -connect 127.0.0.1:$port 2>/dev/null | sed '1,/^\r*\$/d' | md5sum
	done"
same "a speed test in processes" sh -c 'openssl speed -seconds 1 -multi 2 -bytes 1024 sha256 >/dev/null 2>&1; echo $?'
