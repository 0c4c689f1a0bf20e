#include "tests/support/sim_disk.hpp"

#include <algorithm>
#include <cstring>

namespace cairn::test {

using storage::File;

namespace {

constexpr std::uint64_t sector_bytes = 512;

struct Inode {
  Bytes now;      // as programs see it
  Bytes durable;  // as the last sync left it
};
using InodePtr = std::shared_ptr<Inode>;
using Names = std::map<std::string, InodePtr>;

struct Piece {
  enum class Kind : std::uint8_t { sector, size, create, rename, remove };
  Kind kind = Kind::sector;
  InodePtr inode;            // of sector, size and create
  std::uint64_t offset = 0;  // of a sector; or the new size
  Bytes bytes;
  std::string name, to;
  bool lost = false;  // by a failed sync: no later one saves it

  bool is_of_name() const { return kind >= Kind::create; }
};

void put_bytes(Bytes& content, std::uint64_t offset, BytesView bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  std::memcpy(content.data() + offset, bytes.data(), bytes.size());
}

void apply_to_content(Bytes& content, const Piece& piece) {
  if (piece.kind == Piece::Kind::size)
    content.resize(piece.offset);
  else
    put_bytes(content, piece.offset, piece.bytes);
}

void apply_to_names(Names& names, const Piece& piece) {
  switch (piece.kind) {
    case Piece::Kind::create:
      names[piece.name] = piece.inode;
      break;
    case Piece::Kind::remove:
      names.erase(piece.name);
      break;
    case Piece::Kind::rename:
      if (const auto found = names.find(piece.name); found != names.end()) {
        const auto inode = found->second;
        names.erase(found);
        names[piece.to] = inode;
      }
      break;
    case Piece::Kind::sector:
    case Piece::Kind::size:
      break;
  }
}

}  // namespace

struct SimDisk::State {
  Names names;
  Names durable_names;
  std::vector<Piece> pending;
  std::uint64_t capacity = 0;
  std::uint64_t operations = 0;
  std::optional<std::uint64_t> fault_at;
  Errc fault = Errc::io;
  std::function<void()> observer;

  /// Counts an operation; true if it is the one to fail.
  bool begin() {
    if (fault_at != operations++) return false;
    fault_at.reset();
    return true;
  }
  Error failure() const { return {fault, "the simulated disk was told to fail"}; }
  void reached() const {
    if (observer) observer();
  }

  std::uint64_t used() const {
    std::uint64_t bytes = 0;
    for (const auto& [name, inode] : names) bytes += inode->now.size();
    return bytes;
  }
  bool has_room(const Inode& inode, std::uint64_t size) const {
    return size <= inode.now.size() || used() + (size - inode.now.size()) <= capacity;
  }

  void add(Piece piece) {
    if (piece.is_of_name())
      apply_to_names(names, piece);
    else
      apply_to_content(piece.inode->now, piece);
    pending.push_back(std::move(piece));
  }

  void add_write(const InodePtr& inode, std::uint64_t offset, BytesView bytes) {
    while (!bytes.empty()) {
      const auto count =
          std::min<std::uint64_t>(bytes.size(), sector_bytes - offset % sector_bytes);
      Piece piece;
      piece.inode = inode;
      piece.offset = offset;
      piece.bytes = bytes.substr(0, count);
      add(std::move(piece));
      offset += count;
      bytes.remove_prefix(count);
    }
  }

  void add_size(const InodePtr& inode, std::uint64_t size) {
    Piece piece;
    piece.kind = Piece::Kind::size;
    piece.inode = inode;
    piece.offset = size;
    add(std::move(piece));
  }

  void sync(const InodePtr& inode) {
    std::erase_if(pending, [&](const Piece& piece) {
      if (piece.is_of_name() || piece.inode != inode || piece.lost) return false;
      apply_to_content(inode->durable, piece);
      return true;
    });
  }

  void lose(const InodePtr& inode) {
    for (auto& piece : pending)
      if (!piece.is_of_name() && piece.inode == inode) piece.lost = true;
  }
};

class SimFile : public File {
 public:
  SimFile(std::shared_ptr<SimDisk::State> state, InodePtr inode)
      : state_(std::move(state)), inode_(std::move(inode)) {}

  Result<Bytes> read(std::uint64_t offset, std::size_t count) override {
    CAIRN_TRY(check());
    if (offset >= inode_->now.size()) return Bytes();
    return inode_->now.substr(offset, count);
  }

  Result<void> write(std::uint64_t offset, const std::vector<BytesView>& parts) override {
    CAIRN_TRY(check());
    Bytes bytes;
    for (const auto part : parts) bytes += part;
    if (bytes.empty()) return {};
    const bool fails = state_->begin();
    if (fails && state_->fault != Errc::disk_full)
      state_->add_write(inode_, offset, BytesView(bytes).substr(0, bytes.size() / 2));
    if (fails) return fail();
    if (!state_->has_room(*inode_, offset + bytes.size())) return full();
    state_->add_write(inode_, offset, bytes);
    state_->reached();
    return {};
  }

  Result<void> sync() override {
    CAIRN_TRY(check());
    if (state_->begin()) {
      state_->lose(inode_);
      failed_ = true;
      return Error{Errc::io, state_->failure().message};
    }
    state_->reached();
    state_->sync(inode_);
    return {};
  }

  Result<std::uint64_t> size() override {
    CAIRN_TRY(check());
    return std::uint64_t{inode_->now.size()};
  }

  Result<void> resize(std::uint64_t size) override {
    CAIRN_TRY(check());
    if (state_->begin()) return fail();
    if (!state_->has_room(*inode_, size)) return full();
    state_->add_size(inode_, size);
    state_->reached();
    return {};
  }

  Result<void> fill(std::uint64_t size) override {
    CAIRN_TRY(check());
    if (size <= inode_->now.size()) return {};
    if (state_->begin()) return fail();
    if (!state_->has_room(*inode_, size)) return full();
    // As one piece: which zeros were lost makes no difference but to the size.
    state_->add_size(inode_, size);
    state_->reached();
    state_->sync(inode_);
    return {};
  }

  Result<void> reserve(std::uint64_t size) override {
    if (size <= inode_->now.size()) return check();
    return resize(size);
  }

 private:
  Result<void> check() const {
    if (failed_) return Error{Errc::io, "the file failed before"};
    return {};
  }
  Error fail() {
    if (state_->fault != Errc::disk_full) failed_ = true;
    return state_->failure();
  }
  static Error full() { return {Errc::disk_full, "the simulated disk is full"}; }

  std::shared_ptr<SimDisk::State> state_;
  InodePtr inode_;
  bool failed_ = false;
};

SimDisk::SimDisk(std::uint64_t capacity_bytes) : state_(std::make_shared<State>()) {
  state_->capacity = capacity_bytes;
}

SimDisk::~SimDisk() = default;

std::size_t SimDisk::unsynced_pieces() const { return state_->pending.size(); }

std::shared_ptr<SimDisk> SimDisk::image(const std::function<bool(std::size_t)>& survives) const {
  auto names = state_->durable_names;
  std::vector<const Piece*> surviving;
  for (std::size_t i = 0; i < state_->pending.size(); ++i)
    if (survives(i)) surviving.push_back(&state_->pending[i]);
  for (const auto* piece : surviving) apply_to_names(names, *piece);

  auto image = std::make_shared<SimDisk>(state_->capacity);
  std::map<const Inode*, InodePtr> copies;
  for (const auto& [name, inode] : names) {
    auto& copy = copies[inode.get()];
    if (!copy) copy = std::make_shared<Inode>(Inode{{}, inode->durable});
    image->state_->names[name] = copy;
  }
  for (const auto* piece : surviving) {
    if (piece->is_of_name()) continue;
    if (const auto copy = copies.find(piece->inode.get()); copy != copies.end())
      apply_to_content(copy->second->durable, *piece);
  }
  for (const auto& [inode, copy] : copies) copy->now = copy->durable;
  image->state_->durable_names = image->state_->names;
  return image;
}

std::shared_ptr<SimDisk> SimDisk::image_of_first(std::size_t count) const {
  return image([&](std::size_t i) { return i < count; });
}

std::shared_ptr<SimDisk> SimDisk::image(Random& random) const {
  const auto count = unsynced_pieces();
  const auto some = count == 0 ? 0 : random.below(count + 1);
  switch (random.below(6)) {
    case 0:
      return image_of_first(some);
    case 1:
      return image([&](std::size_t i) { return i != some; });
    case 2:
      return image([&](std::size_t i) { return i >= some; });
    case 3:
      return image([&](std::size_t i) { return i < some || random.percent(20); });
    case 4:
      return image(
          [&](std::size_t i) { return i < some ? random.percent(90) : random.percent(50); });
    default: {
      const auto chance = random.below(101);
      return image([&](std::size_t) { return random.percent(chance); });
    }
  }
}

void SimDisk::observe(std::function<void()> observer) { state_->observer = std::move(observer); }

void SimDisk::set_capacity(std::uint64_t bytes) { state_->capacity = bytes; }

void SimDisk::fail_after(std::uint64_t count, Errc code) {
  state_->fault_at = state_->operations + count;
  state_->fault = code;
}

std::uint64_t SimDisk::operations() const { return state_->operations; }

bool SimDisk::rot(const std::string& name, std::uint64_t offset, unsigned bit) {
  const auto found = state_->names.find(name);
  if (found == state_->names.end() || offset >= found->second->now.size()) return false;
  const auto flip = [&](Bytes& content) {
    if (offset < content.size())
      content[offset] = static_cast<char>(content[offset] ^ (1u << (bit % 8)));
  };
  flip(found->second->now);
  flip(found->second->durable);
  return true;
}

Bytes SimDisk::content(const std::string& name) const {
  const auto found = state_->names.find(name);
  return found == state_->names.end() ? Bytes() : found->second->now;
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& name, bool create) {
  auto found = state_->names.find(name);
  if (found == state_->names.end()) {
    if (!create) return Error{Errc::not_found, name + " does not exist"};
    if (state_->begin()) return state_->failure();
    Piece piece;
    piece.kind = Piece::Kind::create;
    piece.inode = std::make_shared<Inode>();
    piece.name = name;
    state_->add(std::move(piece));
    state_->reached();
    found = state_->names.find(name);
  }
  return std::unique_ptr<File>(std::make_unique<SimFile>(state_, found->second));
}

Result<void> SimDisk::rename(const std::string& from, const std::string& to) {
  if (!state_->names.contains(from)) return Error{Errc::not_found, from + " does not exist"};
  if (state_->begin()) return state_->failure();
  Piece piece;
  piece.kind = Piece::Kind::rename;
  piece.name = from;
  piece.to = to;
  state_->add(std::move(piece));
  state_->reached();
  return {};
}

Result<void> SimDisk::remove(const std::string& name) {
  if (!state_->names.contains(name)) return Error{Errc::not_found, name + " does not exist"};
  if (state_->begin()) return state_->failure();
  Piece piece;
  piece.kind = Piece::Kind::remove;
  piece.name = name;
  state_->add(std::move(piece));
  state_->reached();
  return {};
}

Result<std::vector<std::string>> SimDisk::list() {
  std::vector<std::string> out;
  for (const auto& [name, inode] : state_->names) out.push_back(name);
  return out;
}

Result<void> SimDisk::sync_names() {
  if (state_->begin()) return state_->failure();
  state_->reached();
  std::erase_if(state_->pending, [](const Piece& piece) { return piece.is_of_name(); });
  state_->durable_names = state_->names;
  return {};
}

Result<std::uint64_t> SimDisk::free_bytes() {
  const auto used = state_->used();
  return used >= state_->capacity ? std::uint64_t{0} : state_->capacity - used;
}

}  // namespace cairn::test
