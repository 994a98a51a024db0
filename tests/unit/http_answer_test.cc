// What an answer says of itself: encoding, caching, and when it is out.
#include "drivers/gzip.h"
#include "drivers/http.h"
#include "drivers/limited_diag.h"
#include "tests/unit/capture_stderr.h"
#include "tests/unit/http_fixture.h"

using namespace sealring;

namespace {

std::string raw_get(std::uint16_t port, const std::string& method, const std::string& headers) {
  auto tls = tls_client(port);
  send_all(*tls, method + " /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n");
  return receive_until(*tls, "");
}

}  // namespace

TEST_CASE("gzip: which Accept-Encoding allows it") {
  for (const char* yes : {"gzip", "GZIP", "x-gzip", "deflate, gzip", "gzip;q=1.0, *;q=0", "gzip ; q=0.001", "*",
                          "br;q=0, *;q=0.5", " gzip", "gzip;x=y", "gzip;Q=1", "*;q=0,gzip"}) {
    INFO(yes);
    CHECK(accepts_gzip(yes));
  }
  for (const char* no : {"", "identity", "gzip;q=0", "gzip; q=0.000", "gzip;Q=0", "*;q=0", "gzip;q=0, *", "*, gzip;q=0",
                         "gzipped", "br, deflate", ",", ";", "gzip2;q=1"}) {
    INFO(no);
    CHECK_FALSE(accepts_gzip(no));
  }
}

TEST_CASE("gzip: what is packed comes out again, and no more than asked for") {
  Bytes text(100000, 'a');
  for (std::size_t i = 0; i < text.size(); i += 7) text[i] = static_cast<char>(i * 31 % 251);
  for (GzipLevel level : {GzipLevel::fast, GzipLevel::usual}) {
    for (std::size_t size : {std::size_t{0}, std::size_t{1}, text.size()}) {
      Result<Bytes> packed = gzip(ByteView(text).substr(0, size), level);
      REQUIRE(packed.ok());
      Bytes out;
      CHECK(gunzip(*packed, size, out) == Gunzip::done);
      CHECK(out == text.substr(0, size));
      out.clear();
      if (size != 0) CHECK(gunzip(*packed, size - 1, out) == Gunzip::too_large);
      CHECK(out.size() <= size);
    }
  }
}

TEST_CASE("http server: an answer has the headers that its handler gave, and no others") {
  auto server = start_server(server_config(), [](const HttpRequest& request) {
    HttpResponse response{200, "text/plain", request.accept_encoding};
    if (request.accept_encoding.empty()) return response;
    response.content_encoding = "gzip";
    response.vary = "Accept-Encoding";
    response.cache_control = "no-cache";
    return response;
  });
  std::string bare = raw_get(server->port(), "GET", "");
  for (const char* name : {"Content-Encoding", "Vary", "Cache-Control"}) CHECK_FALSE(contains(bare, name));
  std::string full = raw_get(server->port(), "GET", "Accept-Encoding: br\r\nX: y\r\naccept-encoding: gzip\r\n");
  CHECK(contains(full, "\r\nContent-Encoding: gzip\r\n"));
  CHECK(contains(full, "\r\nVary: Accept-Encoding\r\n"));
  CHECK(contains(full, "\r\nCache-Control: no-cache\r\n"));
  CHECK(contains(full, "\r\n\r\nbr,gzip"));
  std::string head = raw_get(server->port(), "HEAD", "Accept-Encoding: gzip\r\n");
  CHECK(contains(head, "\r\nContent-Encoding: gzip\r\n"));
  CHECK(contains(head, "\r\nContent-Length: 4\r\n"));
  CHECK(head.substr(head.size() - 4) == "\r\n\r\n");
}

TEST_CASE("http server: an answer is let go of once it is out, also when its client is gone") {
  auto token = std::make_shared<int>(0);
  auto server = start_server(server_config(), [&](const HttpRequest&) {
    HttpResponse response{200, "text/plain", Bytes(32u << 20, 'x')};
    response.until_sent = token;
    return response;
  });
  {
    auto client = client_config(server->port());
    client.max_response_bytes = 64u << 20;
    REQUIRE(make_client(client)->call(post("/")).ok());
    CHECK(eventually([&] { return token.use_count() == 1; }));  // ours
    auto tls = tls_client(server->port());
    send_all(*tls, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(eventually([&] { return token.use_count() == 2; }));  // the client takes nothing
  }
  CHECK(eventually([&] { return token.use_count() == 1; }));
}

TEST_CASE("diag: what strangers cause is a line a second, and the rest a number") {
  LimitedDiag::Time now{};
  now += std::chrono::hours(1);
  LimitedDiag limited([&] { return now; });
  std::string said = stderr_of([&] {
    for (int i = 0; i < 4; ++i) limited.report(DiagLevel::warning, "line " + std::to_string(i));
    now += std::chrono::seconds(1);
    limited.report(DiagLevel::warning, "line 4");
    limited.report(DiagLevel::warning, "line 5");
    now += std::chrono::seconds(60);
    limited.report(DiagLevel::warning, "line 6");
    now += std::chrono::seconds(1);
    limited.report(DiagLevel::warning, "line 7");
  });
  CHECK(said ==
        "warning: line 0\n"
        "warning: line 4 (and 3 more since the last such line)\n"
        "warning: line 6 (and 1 more since the last such line)\n"
        "warning: line 7\n");
}
