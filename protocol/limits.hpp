// Every fixed bound of Cairn, with its unit and reason. What an operator may change is a
// configuration key instead (configs/reference.toml) and only has its range here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace cairn::limits {

using namespace std::chrono_literals;

// Names and paths.
inline constexpr std::size_t max_name_bytes = 255;     ///< as in POSIX file systems
inline constexpr std::size_t max_path_bytes = 16'384;
inline constexpr std::size_t max_path_depth = 256;     ///< folders from the root; also bounds cycle checks
inline constexpr std::size_t max_login_bytes = 128;
inline constexpr std::size_t max_device_bytes = 128;
inline constexpr std::size_t min_password_bytes = 8;
inline constexpr std::size_t max_password_bytes = 1'024;

// Content.
inline constexpr std::size_t max_block_bytes = 4u << 20;
inline constexpr std::size_t max_inline_bytes = 4'096;          ///< content kept in the version row itself
inline constexpr std::size_t max_manifest_blocks = 262'144;     ///< 256 GiB at the average block size
inline constexpr std::uint64_t max_file_bytes = std::uint64_t{max_block_bytes} * max_manifest_blocks;
inline constexpr std::uint32_t mode_mask = 07777;
inline constexpr std::size_t max_versions_per_entry = 1'000;    ///< the oldest go first

// One call.
inline constexpr std::size_t max_changes_per_commit = 1'000;
inline constexpr std::size_t max_list_page = 1'000;
inline constexpr std::size_t max_missing_ids = 16'384;
inline constexpr std::size_t max_read_bytes = 4u << 20;         ///< answered by one `read`
inline constexpr std::size_t max_results_kept_per_client = 256; ///< unacknowledged (client, sequence) answers
inline constexpr std::size_t max_clients_per_account = 256;     ///< the longest unused is forgotten first
inline constexpr std::size_t max_tokens_per_account = 256;
inline constexpr std::size_t max_error_message_bytes = 1'024;

// Messages on the RPC port, in bytes.
inline constexpr std::size_t max_message_before_sign_in_bytes = 64u << 10;
inline constexpr std::size_t max_message_bytes = 40u << 20;     ///< the largest manifest with its receipts
inline constexpr std::size_t max_message_segments = 512;

// One connection.
inline constexpr std::size_t connection_flow_limit_bytes = 48u << 20; ///< unanswered call parameters
inline constexpr std::size_t max_calls_per_connection = 1'024;        ///< unanswered at a time
inline constexpr std::size_t max_calls_before_sign_in = 16;           ///< unanswered at a time, till a sign-in
inline constexpr std::size_t max_answer_bytes_queued = 32u << 20;     ///< being made or not taken; other calls wait
inline constexpr std::size_t max_download_bytes_ahead = 64u << 20;    ///< read ahead of sinks; others wait
inline constexpr std::size_t min_progress_bytes = 256u << 10;         ///< that must move in each message_timeout
inline constexpr std::size_t max_watches_per_session = 16;
inline constexpr auto sign_in_timeout = 15s;      ///< a connection that has not signed in by then is closed
inline constexpr auto message_timeout = 60s;      ///< to move a message, either way, or min_progress_bytes of it
inline constexpr auto callback_timeout = 60s;     ///< a watcher or sink that does not answer is dropped

// One session.
inline constexpr std::size_t max_session_block_bytes_in_flight = 32u << 20;
inline constexpr std::size_t max_session_commits_in_flight = 64;
inline constexpr std::size_t download_window_bytes = 8u << 20;

// One node.
inline constexpr std::size_t max_password_checks_queued = 64;
inline constexpr std::size_t max_proposals_in_flight = 16'384;        ///< per shard
inline constexpr std::size_t max_proposal_bytes_in_flight = 256u << 20;
inline constexpr std::size_t max_block_bytes_in_flight = 256u << 20;  ///< waiting for a block writer
inline constexpr std::size_t max_batch_entries = 4'096;               ///< log entries in one flush
inline constexpr std::size_t max_batch_bytes = 16u << 20;
inline constexpr auto shard_answer_timeout = 30s;
inline constexpr auto block_answer_timeout = 60s;

// One replica.
inline constexpr auto max_floor_wait = 100ms;     ///< of a read whose rows are behind what it must see
inline constexpr auto deposed_answer_wait = 100ms;///< for what becomes of proposals when leadership is lost
inline constexpr std::uint64_t max_log_entries_kept = 65'536;         ///< before the checkpoint, for followers
inline constexpr std::uint64_t max_log_bytes_kept = 64u << 20;        ///< of them
inline constexpr std::uint64_t max_log_bytes_for_snapshots = 2u << 30;///< kept until snapshots on their way arrive
inline constexpr std::size_t snapshot_batch_bytes = 4u << 20;         ///< received rows written in one transaction
inline constexpr auto snapshot_idle_timeout = 30s;                    ///< a source that nobody reads is closed
inline constexpr auto snapshot_retry_wait = 200ms;                    ///< after a source failed
inline constexpr auto snapshot_refusal_wait = 1s;                     ///< after one that could not be kept

// Rows of a drive.
inline constexpr std::size_t manifest_blocks_in_row = 4;              ///< longer manifests get chunk rows
inline constexpr std::size_t manifest_blocks_per_chunk = 512;
inline constexpr std::size_t max_device_names_per_account = 4'096;    ///< later ones are not kept by name
inline constexpr std::size_t max_suffix_tries = 100;                  ///< " 2", " 3", … on a taken name
inline constexpr std::uint64_t max_journal_changes = 1u << 20;        ///< per drive; the oldest rows go first
inline constexpr std::size_t max_references_page = 65'536;            ///< block ids in one answer
inline constexpr std::size_t max_reference_rows = 16'384;             ///< rows read for one answer

// Journal and trash work of one log entry.
inline constexpr std::size_t journal_changes_per_row = 64;
inline constexpr std::size_t max_purge_per_tick = 1'000;              ///< entries and versions

// The directory.
inline constexpr std::size_t max_zone_bytes = 64;
inline constexpr std::size_t max_address_bytes = 300;                 ///< a host name of 253 bytes, and a port
inline constexpr std::size_t max_nodes = 20'000;                      ///< the longest removed is forgotten first
inline constexpr std::size_t max_founders = 64;
inline constexpr std::size_t max_wanted_replicas = 7;
inline constexpr std::size_t max_shards = 16'385;                     ///< a slot each, and the directory's
inline constexpr std::size_t max_replicas_per_shard = 10;             ///< with those that come and go
inline constexpr std::size_t max_directory_events = 10'000;           ///< the oldest go first
inline constexpr std::size_t max_events_page = 1'000;
inline constexpr std::size_t max_event_text_bytes = 500;              ///< what is longer is cut
inline constexpr std::size_t max_control_frame_bytes = 32u << 20;     ///< a whole map of the most nodes and shards
inline constexpr std::size_t max_notes_at_once = 10;                  ///< of one node, for the list of events
inline constexpr auto note_interval = 6s;                             ///< and then one in each; others are dropped
inline constexpr std::size_t max_notes_waiting = 256;                 ///< for the directory's leader to write them
inline constexpr auto directory_interval = 500ms;                     ///< between looks of the directory's leader
inline constexpr auto founding_interval = 50ms;                       ///< the same while the cluster is founded
inline constexpr auto directory_answer_timeout = 10s;                 ///< of its replica; what is late is decided again

// A node in its cluster.
inline constexpr auto agent_interval = 300ms;                         ///< between reports, and looks for a new map
inline constexpr auto agent_hurried_interval = 20ms;                  ///< while the node has no part yet
inline constexpr std::size_t max_notes_kept = 64;                     ///< of a node, until the directory has them
inline constexpr auto registration_interval = 1s;                     ///< after the directory has refused a node
inline constexpr auto agent_ask_timeout = 2s;                         ///< of the node's own replica
inline constexpr std::uint32_t max_unanswered_reports = 2;            ///< then another replica is reported to
inline constexpr auto lost_after = 3s;                                ///< without the directory: then all are dialled
inline constexpr auto strangers_note_interval = 10s;                  ///< between events about refused connections
inline constexpr auto node_ready_timeout = 60s;                       ///< for a lone node to serve its shards

// An operator's interface.
inline constexpr std::size_t max_admin_connections = 32;              ///< at a time; one more is closed
inline constexpr auto admin_part_timeout = 2s;                        ///< for each part of a status, side by side
inline constexpr auto admin_idle_timeout = 24h;                       ///< a connection ends after this, busy or not
inline constexpr std::size_t max_admin_nodes = 1'000;                 ///< of the directory, in one status
inline constexpr std::size_t max_admin_events = 50;                   ///< in one status
inline constexpr std::size_t max_socket_path_bytes = 107;             ///< what the system's address holds

// A node's configuration.
inline constexpr std::size_t max_config_list = 64;                    ///< parts of one list

// Bringing requests to shards.
inline constexpr std::size_t max_routed_requests = 65'536;            ///< of one node, unanswered
inline constexpr std::size_t max_routed_requests_per_shard = 32'768;  ///< so that one shard does not take all
inline constexpr std::size_t max_routed_bytes = 512u << 20;           ///< of their bodies
inline constexpr std::size_t max_route_attempts = 8;                  ///< of one request; the oldest goes
inline constexpr std::uint32_t route_attempts_at_once = 3;            ///< that may fail before there are pauses
inline constexpr auto route_timeout = 29s;                            ///< below the asker's shard_answer_timeout
inline constexpr auto route_pause_first = 5ms;                        ///< doubles with every failure
inline constexpr auto route_pause_most = 100ms;
inline constexpr auto leader_search_patience = 50ms;                  ///< then the next voter is asked, too
inline constexpr auto relay_after = 1s;                               ///< without a link to the leader
inline constexpr auto relay_timeout = 5s;                             ///< of what is relayed for another node
inline constexpr auto leader_doubt_after = 300ms;                     ///< when it does not answer
inline constexpr auto read_hedge_after = 12ms;                        ///< then another replica is asked, too
inline constexpr auto read_avoid_time = 1s;                           ///< for a node that another one overtook
inline constexpr std::uint32_t overtakes_before_avoid = 3;            ///< by reads that wait for a floor
inline constexpr std::uint32_t reads_per_hedge = 10;                  ///< answered, for each that is asked twice
inline constexpr std::uint32_t read_hedges_at_once = 4'096;           ///< that may come without those
static_assert(route_timeout < shard_answer_timeout);

// Watching across nodes.
inline constexpr auto interest_lease = 10s;                           ///< of a node in what is committed on another
inline constexpr auto interest_interval = 3s;                         ///< between renewals
inline constexpr std::size_t max_interested_nodes = 16'384;
inline constexpr std::size_t max_growths_per_frame = 4'096;

// Receipts and garbage collection.
inline constexpr auto receipt_lifetime = 24h;
inline constexpr auto receipt_margin = 1h;        ///< clocks and queues between check and apply

// Links between nodes.
inline constexpr std::size_t max_node_name_bytes = 63;                ///< as a label of DNS, and a certificate's CN
inline constexpr std::size_t max_link_peers = 16'384;
inline constexpr std::size_t max_link_frame_bytes = 48u << 20;        ///< above the largest message of a client
inline constexpr std::size_t link_chunk_bytes = 64u << 10;            ///< the most that bulk is ahead of a small frame
inline constexpr std::size_t link_batch_bytes = 64u << 10;            ///< small frames that share one TLS write
inline constexpr std::size_t call_frame_bytes = 32u << 10;             ///< of small calls or answers that share a frame
inline constexpr auto link_send_here_pause = 100us;                  ///< between small frames sent by their own senders
inline constexpr std::size_t link_inline_bytes = 4u << 10;            ///< read at once, whose actors run on its thread
inline constexpr std::size_t link_inline_calls = 16;                  ///< likewise
inline constexpr std::size_t max_link_buffered_bytes = 64u << 20;     ///< per peer, accepted and not yet sent
inline constexpr std::size_t max_link_control_bytes = 1'024;          ///< a hello, a refusal
inline constexpr std::size_t max_link_handshakes = 256;               ///< not yet authenticated; the oldest goes
inline constexpr std::size_t max_link_handshake_bytes = 64u << 10;    ///< from who is not yet authenticated
inline constexpr auto link_handshake_timeout = 5s;
inline constexpr auto link_heartbeat_interval = 100ms;
inline constexpr auto link_silence_timeout = 1s;
inline constexpr auto link_redial_first = 20ms;                       ///< doubles with every failure
inline constexpr auto link_redial_most = 2s;
inline constexpr auto link_dial_patience = 2s;                        ///< for a peer that should dial but may not know
inline constexpr auto link_refusal_patience = 3s;                     ///< to tell all why a node does not start
inline constexpr auto max_link_clock_skew = 2s;                       ///< beyond it a warning

}  // namespace cairn::limits
