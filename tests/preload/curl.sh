# SPDX-License-Identifier: BSD-2-Clause
# curl against a local server, over HTTP and TLS; many transfers at once; what fails
. "${abs_top_srcdir:-.}/tests/preload/same.sh" || exit 99

program curl python3 openssl
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/k.pem" -subj /CN=localhost \
	-addext subjectAltName=IP:127.0.0.1 -days 1 -out "$tmp/c.pem" 2> /dev/null
cat > "$tmp/server.py" <<'END'
import http.server, ssl, sys, threading
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        part = self.path.strip("/")
        self.answer(part.encode() * 999 if part.isdigit() else b"none", 200 if part.isdigit() else 404)
    def do_POST(self):
        self.answer(str(len(self.rfile.read(int(self.headers["Content-Length"])))).encode())
    def log_message(self, *args):
        pass
def serve(tls):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever).start()
    return server.server_address[1]
print(serve(False), serve(True), flush=True)
END
python3 "$tmp/server.py" "$tmp/c.pem" "$tmp/k.pem" > "$tmp/ports" &
cleanup_fn kill -KILL $!
wait_for 120 test -s "$tmp/ports" || fail "the server did not start"
read -r http https < "$tmp/ports"
same "one after the other" sh -c "curl -s 'http://127.0.0.1:$http/[1-100]' | md5sum"
same "many at once" sh -c "curl -s -Z --no-progress-meter --parallel-max 20 'http://127.0.0.1:$http/[1-100]' -o 'f#1'; cat f* | md5sum"
same "TLS" sh -c "curl -sS --cacert '$tmp/c.pem' 'https://127.0.0.1:$https/[1-30]' | md5sum"
same "an upload" sh -c "head -c 3000000 /dev/zero | curl -sS --data-binary @- http://127.0.0.1:$http/"
same "a file" curl -s "file://$abs_top_srcdir/README"
same -s 22 "not found" curl -sSf "http://127.0.0.1:$http/none"
same -s 60 "a certificate of nobody" curl -s "https://127.0.0.1:$https/1"
same -s 7 "nobody there" curl -s http://127.0.0.1:1/
