#include "storage/small_file.hpp"

#include <filesystem>

#include "protocol/codec.hpp"
#include "protocol/digest.hpp"
#include "storage/disk.hpp"

namespace cairn::storage {
namespace {

constexpr std::string_view magic = "CAIRNSML";

struct Place {
  std::unique_ptr<Disk> disk;
  std::string name;
};

Result<Place> place_of(const std::string& path) {
  const auto split = std::filesystem::path(path);
  auto disk = open_directory(split.parent_path().empty() ? "." : split.parent_path().string());
  if (!disk) return disk.error();
  return Place{std::move(*disk), split.filename().string()};
}

}  // namespace

Result<Bytes> read_small_file(const std::string& path) {
  auto place = place_of(path);
  if (!place) return place.error();
  auto file = place->disk->open(place->name, false);
  if (!file) return file.error();
  const auto size = (*file)->size();
  if (!size) return size.error();
  const auto bytes = (*file)->read(0, *size);
  if (!bytes) return bytes.error();
  Reader in(*bytes);
  const auto head = in.raw(magic.size());
  const auto crc = in.u32();
  const auto content = in.rest();
  if (in.failed() || head != magic || crc != crc32c(content)) return Error{Errc::corrupt, path + " is damaged"};
  return Bytes(content);
}

Result<void> write_small_file(const std::string& path, BytesView content) {
  auto place = place_of(path);
  if (!place) return place.error();
  const auto fresh = place->name + ".new";
  auto file = place->disk->open(fresh, true);
  if (!file) return file.error();
  Writer head;
  head.raw(magic).u32(crc32c(content));
  CAIRN_TRY((*file)->resize(0));
  CAIRN_TRY((*file)->write(0, {head.view(), content}));
  CAIRN_TRY((*file)->sync());
  CAIRN_TRY(place->disk->rename(fresh, place->name));
  return place->disk->sync_names();
}

}  // namespace cairn::storage
