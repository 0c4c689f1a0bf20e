// Errors survive the trip as exceptions, and no exception that a peer can send does harm.
#include "protocol/rpc_errors.hpp"

#include <gtest/gtest.h>

#include "protocol/limits.hpp"

namespace cairn {
namespace {

using Type = kj::Exception::Type;

kj::Exception exception(Type type, const std::string& text) {
  return kj::Exception(type, "peer", 1, kj::heapString(text.data(), text.size()));
}

TEST(RpcErrors, EveryCodeComesBack) {
  int known = 0;
  for (int number = 0; number <= 0xffff; ++number) {
    const auto code = errc_from_number(static_cast<std::uint16_t>(number));
    if (static_cast<int>(code) != number) continue;
    ++known;
    const Error error{code, "entry \"a: b\" is gone"};
    EXPECT_EQ(from_exception(to_exception(error)), error);
  }
  EXPECT_EQ(known, 32);
}

TEST(RpcErrors, TypesTellKjWhatToDo) {
  EXPECT_EQ(to_exception({Errc::busy, ""}).getType(), Type::OVERLOADED);
  EXPECT_EQ(to_exception({Errc::unavailable, ""}).getType(), Type::DISCONNECTED);
  EXPECT_EQ(to_exception({Errc::not_found, ""}).getType(), Type::FAILED);
}

TEST(RpcErrors, PrefixesOfEachHopAreDropped) {
  const auto error =
      from_exception(exception(Type::FAILED, "remote exception: remote exception: not_found: x\ncontext: y"));
  EXPECT_EQ(error, (Error{Errc::not_found, "x"}));
}

TEST(RpcErrors, WhatNoCairnPeerWroteIsClassified) {
  EXPECT_EQ(from_exception(exception(Type::DISCONNECTED, "Peer disconnected.")).code, Errc::unavailable);
  EXPECT_EQ(from_exception(exception(Type::FAILED, "nonsense: here")).code, Errc::protocol);
  EXPECT_EQ(from_exception(exception(Type::UNIMPLEMENTED, "Method not implemented.")).code, Errc::protocol);
  EXPECT_EQ(from_exception(exception(Type::FAILED, "unknown: zero")).code, Errc::protocol);
  EXPECT_EQ(from_exception(exception(Type::FAILED, "")).code, Errc::protocol);
}

TEST(RpcErrors, TextOfAPeerIsMadePrintableAndCut) {
  const auto error = from_exception(exception(Type::FAILED, "io: \x1b[2J" + std::string(10'000, 'x')));
  EXPECT_EQ(error.code, Errc::io);
  EXPECT_LE(error.message.size(), limits::max_error_message_bytes + 3);
  EXPECT_EQ(error.message.find('\x1b'), std::string::npos);
  EXPECT_LE(to_exception({Errc::io, std::string(10'000, '\0')}).getDescription().size(),
            limits::max_error_message_bytes + 10);
}

TEST(RpcErrors, ATypeOutsideTheListIsClamped) {
  for (const int number : {4, 255, 65'535, -1}) {
    auto hostile = exception(static_cast<Type>(number), "remote exception: bang");
    EXPECT_EQ(from_exception(hostile).code, Errc::protocol);
    clamp_type(hostile);
    EXPECT_EQ(hostile.getType(), Type::FAILED);
    EXPECT_EQ(hostile.getDescription(), "remote exception: bang");
    EXPECT_GT(kj::str(hostile).size(), 0u);  // what would have read outside KJ's table
  }
  auto fine = exception(Type::OVERLOADED, "later");
  clamp_type(fine);
  EXPECT_EQ(fine.getType(), Type::OVERLOADED);
}

}  // namespace
}  // namespace cairn
