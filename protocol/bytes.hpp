// Bytes as the rest of the code passes them. Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn {

/// An owned run of bytes, of any value; not text unless a name says so.
using Bytes = std::string;

/// A borrowed run of bytes; valid only as long as its owner.
using BytesView = std::string_view;

}  // namespace cairn
