// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/json_reader.hpp"
#include "core/observation.hpp"

namespace moecal {
namespace {

[[noreturn]] void fail(const std::string& attempt, const std::string& path) {
  throw Error{"could not " + attempt + " '" + path + "': " + std::strerror(errno) +
              "; lines written before are whole"};
}

std::string read_range(int descriptor, off_t from, off_t to) {
  std::string text(static_cast<std::size_t>(to - from), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const auto count =
        ::pread(descriptor, text.data() + got, text.size() - got, from + static_cast<off_t>(got));
    if (count <= 0) break;
    got += static_cast<std::size_t>(count);
  }
  text.resize(got);
  return text;
}

// Where the last line without its newline begins; the file's end if there is none.
off_t unfinished_line(int descriptor, off_t end) {
  constexpr off_t kBlock = 1 << 16;
  for (off_t to = end; to > 0;) {
    const off_t from = std::max<off_t>(0, to - kBlock);
    const auto newline = read_range(descriptor, from, to).rfind('\n');
    if (newline != std::string::npos) return from + static_cast<off_t>(newline) + 1;
    to = from;
  }
  return 0;
}

bool is_record(const std::string& line, const std::string& path) {
  try {
    const auto json = parse_json(line, {path, 0});
    return json.is_object() && json.value("schema", "").starts_with("moecal.");
  } catch (const std::exception&) {
    return false;
  }
}

// As far as it goes, the line reads like a record: keys are written in alphabetical order.
bool begins_like_record(const std::string& line) {
  constexpr std::string_view kStarts[]{"{\"backend\":", "{\"card\":"};
  return std::any_of(std::begin(kStarts), std::end(kStarts), [&line](std::string_view start) {
    return start.starts_with(std::string_view{line}.substr(0, start.size()));
  });
}

// By its first line, or, where there is no other, by how the half line begins.
bool is_ours(const std::string& path, const std::string& last) {
  std::string first;
  const bool only = std::getline(std::ifstream{path}, first).eof();
  return (only || is_record(first, path)) && (begins_like_record(last) || is_record(last, path));
}

// Cuts off the half line of a writer that died; a whole record only lacks its newline.
void mend_last_line(int descriptor, const std::string& path) {
  const off_t end = ::lseek(descriptor, 0, SEEK_END);
  if (end < 0) fail("read", path);
  if (end == 0) return;
  const off_t begin = unfinished_line(descriptor, end);
  const auto last = read_range(descriptor, begin, end);
  if (!is_ours(path, last))
    throw InvalidInput{"'" + path +
                       "' holds something else than moecal's observations: nothing was written to "
                       "it. Name another file, or a new one"};
  if (begin == end) return;
  if (is_record(last, path)) {
    if (::write(descriptor, "\n", 1) != 1) fail("end the last line of", path);
  } else if (::ftruncate(descriptor, begin) != 0) {
    fail("cut the half line of", path);
  }
}

}  // namespace

LineAppender::LineAppender(const std::string& path)
    : path_{path},
      descriptor_{::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)} {
  if (descriptor_ < 0) fail("open", path);
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) try {
      mend_last_line(descriptor_, path);
    } catch (...) {
      ::close(descriptor_);
      throw;
    }
}

LineAppender::~LineAppender() { ::close(descriptor_); }

void LineAppender::append_unflushed(const std::string& line) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  const auto written = ::write(descriptor_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    if (written >= 0) errno = ENOSPC;  // a short write to a file means a full disk
    const int reason = errno;
    if (before >= 0 && ::ftruncate(descriptor_, before) != 0) errno = reason;
    errno = reason;
    fail("append to", path_);
  }
}

void LineAppender::append(const std::string& line) {
  append_unflushed(line);
  if (::fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail("flush", path_);
}

}  // namespace moecal
