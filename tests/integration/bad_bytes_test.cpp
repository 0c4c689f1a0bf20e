// What bytes that are no Cap'n Proto, or no honest Cap'n Proto, get: their connection ends, in time and for
// little memory, and everybody else is served.
#include <arpa/inet.h>
#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "protocol/limits.hpp"
#include "protocol/model_capnp.hpp"
#include "tests/integration/raw_client.hpp"
#include "tests/support/random.hpp"
#include "tests/support/resident.hpp"

namespace cairn::test {
namespace {

using namespace std::chrono_literals;
using capnp::rpc::Message;

class BadBytes : public RawNode {
 protected:
  void SetUp() override {
    config.rpc.sign_in_timeout = 500ms;
    config.rpc.message_timeout = 500ms;
    config.rpc.callback_timeout = 500ms;
  }

  // False if the server has closed.
  bool write(kj::AsyncIoStream& stream, BytesView bytes) {
    return outcome<bool>(io, kj::evalNow([&] { return stream.write(bytes.data(), bytes.size()); }).then([] {
      return true;
    })).ok();
  }

  static void end_writing(kj::AsyncIoStream& stream) {
    kj::runCatchingExceptions([&] { stream.shutdownWrite(); });
  }

  // Reads until the server closes, and adds what it says to `said`. False if it does not.
  bool closes(kj::AsyncIoStream& stream, Bytes* said = nullptr) {
    auto buffer = kj::heapArray<char>(4'096);
    for (;;) {
      const auto count = outcome<std::size_t>(io, stream.tryRead(buffer.begin(), 1, buffer.size()));
      if (!count) return count.error().code == Errc::unavailable;
      if (*count == 0) return true;
      if (said) said->append(buffer.begin(), *count);
    }
  }

  static Bytes flat(capnp::MessageBuilder& message) {
    const auto words = capnp::messageToFlatArray(message);
    const auto bytes = words.asBytes();
    return Bytes(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
  }

  // A type that no version knows: reading its name runs off a table.
  static void odd_type(capnp::rpc::Exception::Builder exception) {
    exception.setReason("odd");
    exception.setType(static_cast<capnp::rpc::Exception::Type>(65535));
  }

  static Bytes words(std::initializer_list<std::uint32_t> numbers) {
    Bytes out;
    for (const auto n : numbers)
      for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(n >> shift));
    return out;
  }

  static Bytes bootstrap(std::uint32_t question) {
    capnp::MallocMessageBuilder message;
    message.initRoot<Message>().initBootstrap().setQuestionId(question);
    return flat(message);
  }

  // A call on the first capability that question `target` answers.
  template <class Interface>
  static Bytes call(std::uint32_t question, std::uint32_t target, std::uint16_t method,
                    const std::function<void(capnp::AnyPointer::Builder)>& fill) {
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<Message>().initCall();
    out.setQuestionId(question);
    auto promised = out.initTarget().initPromisedAnswer();
    promised.setQuestionId(target);
    promised.initTransform(1)[0].setGetPointerField(0);
    out.setInterfaceId(capnp::typeId<Interface>());
    out.setMethodId(method);
    fill(out.initParams().getContent());
    return flat(message);
  }

  static Bytes resume(std::uint32_t question, const std::string& token) {
    capnp::MallocMessageBuilder message;
    auto out = message.initRoot<Message>().initCall();
    out.setQuestionId(question);
    out.initTarget().initPromisedAnswer().setQuestionId(0);
    out.setInterfaceId(capnp::typeId<rpc::Cairn>());
    out.setMethodId(3);
    out.initParams().getContent().initAs<rpc::Cairn::ResumeParams>().setToken(token.c_str());
    return flat(message);
  }

  // A call of `hello` on what question 0 will have answered.
  static Bytes hello(std::uint32_t question, bool to_yourself = false) {
    capnp::MallocMessageBuilder message;
    auto call = message.initRoot<Message>().initCall();
    call.setQuestionId(question);
    call.initTarget().initPromisedAnswer().setQuestionId(0);
    call.setInterfaceId(capnp::typeId<rpc::Cairn>());
    call.setMethodId(0);
    call.initParams();
    if (to_yourself) call.getSendResultsTo().setYourself();
    return flat(message);
  }
};

TEST_F(BadBytes, ThousandsOfRandomStreams) {
  start();
  constexpr int streams = 3'000;
  for (int seed = 0; seed < streams; ++seed) {
    Random random(static_cast<std::uint64_t>(seed));
    Bytes bytes;
    switch (random.below(4)) {
      case 0: bytes = random.bytes(random.between(1, 400)); break;
      case 1:  // an honest size and nonsense inside
        bytes = words({0, static_cast<std::uint32_t>(random.between(1, 40))}) + random.bytes(random.between(0, 400));
        break;
      case 2:  // honest messages with some bits turned
        bytes = bootstrap(0) + hello(1) + hello(2);
        for (std::uint64_t i = random.between(1, 8); i > 0; --i) {
          const auto at = random.below(bytes.size());
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
        }
        break;
      default:  // honest messages that stop somewhere
        bytes = bootstrap(0) + hello(1);
        bytes.resize(random.between(1, bytes.size()));
    }
    auto stream = connect_socket();
    write(*stream, bytes);
    if (!random.one_in(3)) continue;
    end_writing(*stream);
    EXPECT_TRUE(closes(*stream)) << "seed " << seed;
    if (seed % 500 == 0) expect_serving();
  }
  expect_serving();
}

TEST_F(BadBytes, MessagesThatClaimTooMuch) {
  start();
  const Bytes claims[] = {
      words({0xffffffff, 0xffffffff}),      // 2^32 segments, which is 0 in 32 bits
      words({0xfffffffe, 0}),
      words({511, 1}),                      // one segment more than allowed
      words({0, 0xffffffff}),               // 32 GiB in one segment
      words({0, (64u << 10) / 8 + 1}),      // a word over what is allowed before signing in
      words({1, 0xffffffff, 0xffffffff, 0}),
  };
  for (const auto& claim : claims) {
    auto stream = connect_socket();
    const auto before = resident_bytes();
    write(*stream, claim + Bytes(64, '\0'));
    EXPECT_TRUE(closes(*stream));
    EXPECT_LT(resident_bytes(), before + (8u << 20));
  }
  expect_serving();
}

TEST_F(BadBytes, AMessageWhoseSegmentsCountToNoneIsRefusedUnread) {
  start();
  auto stream = connect_socket();
  write(*stream, words({0xffffffff, 0}));
  Bytes said;
  EXPECT_TRUE(closes(*stream, &said));
  EXPECT_NE(said.find("a message is malformed"), Bytes::npos) << said;
}

TEST_F(BadBytes, ACallOverTheSizeBeforeSigningInEndsItsConnection) {
  start();
  const auto client = connect();
  EXPECT_FALSE(client->sign_up("ada", std::string(70'000, 'p')));
  EXPECT_FALSE(client->sign_up("ada"));
  EXPECT_TRUE(connect()->sign_up("ada"));
}

TEST_F(BadBytes, AMessageOverTheSizeAfterSigningInEndsItsConnection) {
  start();
  const auto client = sign_in();
  const std::string large(limits::max_message_bytes + 1, 'x');
  EXPECT_FALSE(client->put_block(std::string(32, 'x'), large));
  EXPECT_FALSE(client->make_folder("x"));
  expect_serving();
}

TEST_F(BadBytes, ConnectionsThatSayNothingAreClosedInTime) {
  start();
  const auto begun = std::chrono::steady_clock::now();
  std::vector<kj::Own<kj::AsyncIoStream>> streams;
  for (int i = 0; i < 50; ++i) streams.push_back(connect_socket());
  for (auto& stream : streams) EXPECT_TRUE(closes(*stream));
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 400ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
}

TEST_F(BadBytes, HalfSentMessagesOnManyConnectionsCostLittleAndAreClosedInTime) {
  start();
  expect_serving();
  const auto before = resident_bytes();
  std::vector<kj::Own<kj::AsyncIoStream>> streams;
  const Bytes half = words({0, (64u << 10) / 8}) + Bytes(100, '\0');
  for (int i = 0; i < 500; ++i) {
    streams.push_back(connect_socket());
    write(*streams.back(), half.substr(0, i % 2 ? half.size() : 3));
  }
  EXPECT_LT(resident_bytes(), before + (64u << 20));
  expect_serving();
  for (auto& stream : streams) EXPECT_TRUE(closes(*stream));
}

TEST_F(BadBytes, AHalfSentMessageAfterSigningInIsClosedInTime) {
  config.rpc.sign_in_timeout = 1h;
  start();
  for (const std::size_t sent : {std::size_t{3}, std::size_t{8}, std::size_t{2'000}}) {
    const auto client = sign_in("ada", sent);
    write(*client->stream, (words({0, 4'000'000}) + Bytes(2'000, '\0')).substr(0, sent));
    const auto lost = outcome<bool>(io, client->rpc->onDisconnect().then([] { return true; }));
    EXPECT_TRUE(lost) << lost.error().message;
  }
}

TEST_F(BadBytes, DrippingBytesDoesNotHoldAMessageOpen) {
  config.rpc.sign_in_timeout = 1h;
  start();
  auto stream = connect_socket();
  write(*stream, words({0, 8'000}));
  bool closed = false;
  auto reading = kj::evalNow([&]() -> kj::Promise<void> {
    auto buffer = kj::heapArray<kj::byte>(4'096);
    auto read = stream->tryRead(buffer.begin(), 4'096, 4'096);
    return read.then([&closed](size_t) { closed = true; }, [&closed](kj::Exception&&) { closed = true; })
        .attach(kj::mv(buffer));
  }).eagerlyEvaluate(nullptr);
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(run_until([&] {
    write(*stream, "x");
    return closed;
  }));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 5s);
}

TEST_F(BadBytes, AnIdleSessionIsNotClosed) {
  start();
  const auto client = sign_in();
  const auto until = std::chrono::steady_clock::now() + 1'500ms;
  EXPECT_TRUE(run_until([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_TRUE(client->make_folder("still here"));
}

TEST_F(BadBytes, AConnectionThatIsAlwaysInsideSomeMessageIsNotClosed) {
  start();
  const auto client = sign_in();
  const std::string block(1u << 20, 'x');
  const auto until = std::chrono::steady_clock::now() + 1'500ms;
  while (std::chrono::steady_clock::now() < until) {
    kj::Vector<kj::Promise<bool>> blocks;
    for (int i = 0; i < 16; ++i) {
      auto request = client->drive().putBlockRequest();
      request.setId(kj::heapArray<kj::byte>(32));
      request.setBytes({reinterpret_cast<const kj::byte*>(block.data()), block.size()});
      blocks.add(request.send().then([](auto&&) { return true; }, [](kj::Exception&&) { return false; }));
    }
    for (auto& answered : blocks) EXPECT_TRUE(outcome<bool>(io, kj::mv(answered)));
  }
  EXPECT_TRUE(client->make_folder("still here"));
}

TEST_F(BadBytes, PeersThatVanishAtOnceDoNotStopTheListening) {
  start();
  const auto address = node->rpc_address();
  const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < 300; ++i) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_GE(fd, 0);
    ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    const linger reset{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    ::close(fd);
  }
  expect_serving();
}

TEST_F(BadBytes, ConnectionsOverTheLimitAreClosedAndRoomComesBack) {
  config.rpc.max_connections_per_address = 10;
  config.rpc.sign_in_timeout = 1h;
  start();
  {
    std::vector<std::shared_ptr<RawClient>> clients;
    for (std::uint64_t i = 1; i <= 10; ++i) clients.push_back(sign_in("ada", i));
    auto one_more = connect_socket();
    EXPECT_TRUE(closes(*one_more));
  }
  EXPECT_TRUE(run_until([&] { return connect()->sign_up("bob").ok(); }));
}

TEST_F(BadBytes, CallsWithoutEndBeforeSigningIn) {
  start();
  auto stream = connect_socket();
  Bytes bytes = bootstrap(0);
  for (std::uint32_t question = 1; question < 100; ++question) bytes += hello(question);
  write(*stream, bytes);
  EXPECT_TRUE(closes(*stream)) << "nothing was ever finished";
  expect_serving();
}

TEST_F(BadBytes, ResultsCannotBeLeftOnTheServer) {
  start();
  auto stream = connect_socket();
  write(*stream, bootstrap(0) + hello(1, true));
  EXPECT_TRUE(closes(*stream));
  expect_serving();
}

TEST_F(BadBytes, AQuestionIdTwice) {
  start();
  auto stream = connect_socket();
  write(*stream, bootstrap(0) + hello(1) + hello(1));
  EXPECT_TRUE(closes(*stream));
  expect_serving();
}

TEST_F(BadBytes, MessagesThatNoClientHasAReasonToSend) {
  start();
  const std::function<void(Message::Builder)> odd[] = {
      [](Message::Builder m) { m.initReturn().setAnswerId(77); },
      [](Message::Builder m) { m.initFinish().setQuestionId(77); },
      [](Message::Builder m) { m.initRelease().setId(77); },
      [](Message::Builder m) { m.initResolve().setPromiseId(77); },
      [](Message::Builder m) { m.initDisembargo().getContext().setReceiverLoopback(3); },
      [](Message::Builder m) { m.initDisembargo().getContext().setSenderLoopback(3); },
      [](Message::Builder m) { m.initProvide().setQuestionId(5); },
      [](Message::Builder m) { m.initAccept().setQuestionId(5); },
      [](Message::Builder m) { m.initJoin().setQuestionId(5); },
      [](Message::Builder m) { m.initUnimplemented().initUnimplemented().initBootstrap(); },
      [](Message::Builder m) { m.initUnimplemented().initCall().setQuestionId(0); },
      [](Message::Builder m) { m.initUnimplemented().initResolve().initCap().setSenderHosted(9); },
      [](Message::Builder m) { m.initAbort().setReason("\x1b[2J\nfake line"); },
      [](Message::Builder m) { odd_type(m.initAbort()); },
      [](Message::Builder m) { odd_type(m.initReturn().initException()); },
      [](Message::Builder m) { odd_type(m.initResolve().initException()); },
  };
  for (const auto& fill : odd) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<Message>());
    auto stream = connect_socket();
    write(*stream, bootstrap(0) + flat(message));
    end_writing(*stream);
    EXPECT_TRUE(closes(*stream));
  }
  expect_serving();
}

TEST_F(BadBytes, AnswersThatAreNeverReadStayWithinBoundsAndAreClosedInTime) {
  config.rpc.sign_in_timeout = 1h;
  config.rpc.message_timeout = 100ms;
  start();
  std::string token;
  {
    const auto client = sign_in();
    ASSERT_TRUE(client->put_block_file("large", Random(1).bytes(4u << 20)));
    token = client->sign_in("ada", 9).value();
  }
  auto stream = connect_socket();
  int receive_bytes = 4'096;
  stream->setsockopt(SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
  write(*stream, bootstrap(0) + resume(1, token) + call<rpc::Session>(2, 1, 1, [](auto) {}));
  // Until the answers to all three are here, of which the last one names the drive.
  auto answers = kj::heapArray<kj::byte>(200);
  ASSERT_TRUE(outcome<std::size_t>(io, stream->tryRead(answers.begin(), answers.size(), answers.size())));
  const auto before = resident_bytes();
  Bytes reads;
  for (std::uint32_t question = 3; question < 803; ++question)
    reads += call<rpc::Drive>(question, 2, 5, [](capnp::AnyPointer::Builder params) {
      auto read = params.initAs<rpc::Drive::ReadParams>();
      to_capnp(EntryRef{root_entry, "large"}, read.initEntry());
      read.setBytes(4u << 20);
    });
  write(*stream, reads);
  std::uint64_t most = 0;
  // Only a client that asks knows that it was closed: this one never reads.
  EXPECT_TRUE(run_until([&] {
    most = std::max(most, resident_bytes());
    return !write(*stream, BytesView("\0", 1));
  }));
  EXPECT_LT(most, before + (200u << 20));
  expect_serving();
}

}  // namespace
}  // namespace cairn::test
