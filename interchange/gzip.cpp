// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "interchange/gzip.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace moecal::interchange {
namespace {

constexpr std::size_t kMostBytes = std::size_t{4} << 30;  // a table larger than that is a mistake
constexpr int kGzipWindow = 15 + 16;                      // the largest window, gzip's own header

/// Inflates member by member.
class Inflater {
 public:
  Inflater(std::string_view bytes, const std::string& path) : path_{path} {
    // zlib counts in unsigned int, and its interface lacks a const.
    if (bytes.size() > kMostBytes - 1) refuse("is larger than moecal reads");
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK) refuse("cannot be unpacked");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::string text() {
    std::string text;
    while (true) {
      const int status = take(text);
      if (text.size() > kMostBytes) refuse("holds more than moecal reads");
      if (status == Z_STREAM_END) {
        if (stream_.avail_in == 0) return text;
        if (inflateReset(&stream_) != Z_OK) refuse("cannot be unpacked");
      } else if (status == Z_BUF_ERROR) {
        refuse("ends in the middle: it was cut short");
      } else if (status != Z_OK) {
        refuse("is damaged");
      }
    }
  }

 private:
  int take(std::string& text) {
    std::array<char, 1 << 16> part{};
    stream_.next_out = reinterpret_cast<Bytef*>(part.data());
    stream_.avail_out = static_cast<uInt>(part.size());
    const int status = inflate(&stream_, Z_NO_FLUSH);
    text.append(part.data(), part.size() - stream_.avail_out);
    return status;
  }

  [[noreturn]] void refuse(const std::string& problem) const {
    throw InvalidInput{"'" + path_ + "' is gzip-compressed and " + problem};
  }

  const std::string& path_;
  z_stream stream_{};
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

std::string gunzip(std::string_view bytes, const std::string& path) {
  return Inflater{bytes, path}.text();
}

}  // namespace moecal::interchange
