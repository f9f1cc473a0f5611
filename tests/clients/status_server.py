"""A controller as Kubeflow Trainer's: it takes progress over HTTPS, `python status_server.py CERTIFICATE`.

It says on which port it is, and then tells of each request in a line of JSON. The first report that all is done is refused once.
"""
import http.server
import json
import ssl
import sys


class Controller(http.server.BaseHTTPRequestHandler):
    refused = False

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        done = body["trainerStatus"]["progressPercentage"] == 100
        status = 503 if done and not Controller.refused else 200
        Controller.refused = Controller.refused or done
        told = {"path": self.path, "authorization": self.headers["Authorization"], "body": body, "status": status}
        print(json.dumps(told), flush=True)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Controller)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_port, flush=True)
server.serve_forever()
