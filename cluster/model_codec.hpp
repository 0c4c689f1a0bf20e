// The binary form of model values inside commands, queries and their answers: put() writes, get()
// reads and fails the Reader on what can never be written. A count that the input cannot hold is
// refused before room is made for it. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "protocol/codec.hpp"
#include "protocol/model.hpp"

namespace cairn::cluster {

/// A varint that must fit `Number`.
template <class Number>
Number get_number(Reader& in) {
  const auto n = in.varint();
  if (n > std::numeric_limits<Number>::max()) in.fail();
  return in.failed() ? Number{0} : static_cast<Number>(n);
}

template <class Tag, class Number>
void put(Writer& out, StrongId<Tag, Number> id) {
  out.varint(id.value);
}
template <class Tag, class Number>
void get(Reader& in, StrongId<Tag, Number>& id) {
  id.value = get_number<Number>(in);
}

inline void put(Writer& out, std::uint32_t n) { out.varint(n); }
inline void get(Reader& in, std::uint32_t& n) { n = get_number<std::uint32_t>(in); }
inline void put(Writer& out, const std::string& text) { out.bytes(text); }
inline void get(Reader& in, std::string& text) { text = in.bytes(); }
inline void put(Writer& out, Timestamp time) { out.svarint(time.millis); }
inline void get(Reader& in, Timestamp& time) { time.millis = in.svarint(); }

void put(Writer& out, bool value);
void get(Reader& in, bool& value);
void put(Writer& out, const BlockId& id);
void get(Reader& in, BlockId& id);
void put(Writer& out, const Error& error);
void get(Reader& in, Error& error);
void put(Writer& out, const EntryRef& ref);
void get(Reader& in, EntryRef& ref);
void put(Writer& out, const Attributes& attributes);
void get(Reader& in, Attributes& attributes);
void put(Writer& out, const BlockRef& block);
void get(Reader& in, BlockRef& block);
void put(Writer& out, const Content& content);
void get(Reader& in, Content& content);
void put(Writer& out, EntryKind kind);
void get(Reader& in, EntryKind& kind);
void put(Writer& out, const Entry& entry);
void get(Reader& in, Entry& entry);
void put(Writer& out, const Version& version);
void get(Reader& in, Version& version);
void put(Writer& out, const Change& change);
void get(Reader& in, Change& change);
void put(Writer& out, const ChangeResult& result);
void get(Reader& in, ChangeResult& result);
void put(Writer& out, const CommitResult& result);
void get(Reader& in, CommitResult& result);
void put(Writer& out, const EntryPage& page);
void get(Reader& in, EntryPage& page);
void put(Writer& out, const ChangePage& page);
void get(Reader& in, ChangePage& page);
void put(Writer& out, const Usage& usage);
void get(Reader& in, Usage& usage);
void put(Writer& out, const Device& device);
void get(Reader& in, Device& device);

template <class T>
void put(Writer& out, const std::vector<T>& list) {
  out.varint(list.size());
  for (const auto& item : list) put(out, item);
}
template <class T>
void get(Reader& in, std::vector<T>& list) {
  const auto count = in.varint();
  // Every item takes at least a byte.
  if (count > in.remaining()) return in.fail();
  list.clear();
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) get(in, list.emplace_back());
}

/// A variant: the index of its alternative from 1, then the alternative.
template <class... T>
void put(Writer& out, const std::variant<T...>& value) {
  out.u8(static_cast<std::uint8_t>(value.index() + 1));
  std::visit([&](const auto& alternative) { put(out, alternative); }, value);
}
template <std::size_t I = 0, class... T>
void get_alternative(Reader& in, std::size_t index, std::variant<T...>& value) {
  if constexpr (I < sizeof...(T)) {
    if (index == I) return get(in, value.template emplace<I>());
    get_alternative<I + 1>(in, index, value);
  } else {
    in.fail();
  }
}
template <class... T>
void get(Reader& in, std::variant<T...>& value) {
  const std::size_t tag = in.u8();
  if (tag == 0) return in.fail();
  get_alternative(in, tag - 1, value);
}

/// A whole encoded value, or protocol with `what` in its message.
template <class T>
Result<T> get_whole(BytesView bytes, const char* what) {
  Reader in(bytes);
  Result<T> value{T{}};
  get(in, *value);
  if (!in.finished()) value = Error{Errc::protocol, std::string("bytes are not a whole ") + what};
  return value;
}

template <class T>
Bytes put_whole(const T& value) {
  Writer out;
  put(out, value);
  return out.take();
}

}  // namespace cairn::cluster
